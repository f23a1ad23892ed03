"""The tools of an operator, as journeys need them: with effects that leave a trace in a file."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from shared.tools.context import ToolContext
from shared.tools.spec import Media, Policy, ToolError, tool

NAP_SECONDS = 0.01


def _leave_trace(trace: str, context: ToolContext) -> None:
    # O_APPEND: a line is there whole or not at all, whoever dies when.
    with Path(trace).open("a") as file:
        file.write(f"{context.idempotency_key}\n")


@tool
def count(trace: str, context: ToolContext) -> int:
    """Add a line to a file and return how many it has.

    Args:
        trace: the path of the file
    """
    _leave_trace(trace, context)
    return len(Path(trace).read_text().splitlines())


@tool(policy=Policy.RERUN)
def count_again(trace: str, context: ToolContext) -> str:
    """Add a line to a file; that it is there twice does no harm."""
    _leave_trace(trace, context)
    return "counted"


@tool
async def count_slowly(trace: str, context: ToolContext, seconds: float = 60.0) -> str:
    """Add a line to a file, and take a while."""
    _leave_trace(trace, context)
    await asyncio.sleep(seconds)
    return "counted"


@tool
def nap(seconds: float, context: ToolContext) -> str:
    """Sleep, and wake up when told to."""
    return "woken" if context.wait(seconds) else "rested"


@tool
def sleep_through(seconds: float, until: str = "") -> str:
    """Sleep whatever one is told, or until a file is there."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not (until and Path(until).exists()):
        time.sleep(NAP_SECONDS)
    return "slept"


@tool(timeout_seconds=0.3)
def dawdle(trace: str, context: ToolContext) -> str:
    """Leave a trace, then take longer than allowed."""
    _leave_trace(trace, context)
    time.sleep(5)
    return "too late"


@tool
def add(x: int, y: int) -> int:
    """Add two numbers."""
    return x + y


@tool
def describe(context: ToolContext) -> dict[str, object]:
    """Say what a tool is told."""
    return {
        "chat_id": context.chat_id,
        "turn_id": context.turn_id,
        "owner": context.owner,
        "labels": dict(context.labels),
        "key": context.idempotency_key,
        "deadline": context.deadline,
    }


def _raise() -> object:
    raise ValueError("a secret")


def _complain() -> object:
    raise ToolError("There is nothing to be had.")


def _print() -> object:
    print("a line on standard output")
    return "printed"


def _fork() -> object:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    return "forked"


def _nest() -> object:
    deep: object = "end"
    for _ in range(5000):
        deep = [deep]
    return deep


WAYS: Mapping[str, Callable[[], object]] = {
    "raise": _raise,
    "complain": _complain,
    "exit": lambda: sys.exit(3),
    "print": _print,
    "fork": _fork,
    "huge": lambda: "x" * 10_000_000,
    "binary": lambda: bytes(range(256)),
    "nul": lambda: "a\0b\ud800c",
    "object": object,
    "nan": lambda: {"value": float("nan")},
    "deep": _nest,
    "media": lambda: Media(media_type="image/png", data=b"png", text="a picture"),
    "nothing": lambda: None,
}


@tool
def misbehave(how: str) -> object:
    """Do what no tool should."""
    return WAYS[how]()
