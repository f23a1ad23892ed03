"""What all cases work with: the stack, the helper processes, and how much of everything."""

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from benchmarks.figure import Figure
from benchmarks.helper import Helper
from benchmarks.load.jobs import Request
from benchmarks.model.answer import Plan
from benchmarks.stack import Stack
from benchmarks.usage import Parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured: `rounds` of everything, whose median counts."""

    rounds: int = 5
    turns_alone: int = 80
    turns_together: int = 320
    clients: int = 32
    readers: int = 1_000
    reader_seconds: float = 4.0
    held: int = 500
    held_seconds: float = 20.0
    hops: int = 20
    long_history: int = 1_000
    floors: int = 300
    adapter_streams: int = 4


FULL = Size()

QUICK = Size(
    rounds=1, turns_alone=50, turns_together=160, hops=10, held_seconds=10.0, adapter_streams=2
)
"""Under a minute; figures of one round are a hint, not a result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One run of the benchmarks."""

    stack: Stack
    size: Size
    parts: Parts
    model_port: int
    load: Helper
    floors: Helper

    @property
    def redis_url(self) -> str:
        """Of the one Redis."""
        return self.stack.running.redis_url

    def direct(self, plan: Plan) -> Request:
        """The request that asks the fake model itself for what a turn would get of it."""
        body = '{"model": "%s", "stream": true, "messages": [{"role": "user", "content": "Hello"}]}'
        return Request(port=self.model_port, path="/v1/chat/completions", body=body % plan.name)


Case = Callable[[Bench], Sequence[Figure]]


class Run:
    """Starts what a run needs; all of it ends with the `with` block."""

    def __init__(self, folder: Path, size: Size, plans: Sequence[Plan]) -> None:
        """Take an empty folder and all plans that cases ask the model for."""
        self._folder = folder
        self._size = size
        self._models = tuple(plan.name for plan in plans)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """End everything, the last one first."""
        self._open.close()

    def start(self) -> Bench:
        """Start it. Raises `StackFailed` and `HelperFailed`."""
        enter = self._open.enter_context
        model = enter(Helper("benchmarks.model"))
        model_port = int(model.line())
        stack = enter(Stack(self._folder, model_port=model_port, models=self._models))
        return Bench(
            stack=stack,
            size=self._size,
            parts=Parts(stack.running.pids),
            model_port=model_port,
            load=enter(Helper("benchmarks.load")),
            floors=enter(Helper("benchmarks.floors")),
        )


def say(text: str) -> None:
    """Tell how far the run is, beside the result."""
    print(text, file=sys.stderr, flush=True)
