import asyncio
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from signal import Signals

import pytest

from local.errors import LocalError, StartFailed
from local.processes.keeper import PAUSES, STABLE_SECONDS, Keeper, Tools
from local.processes.output import Printer
from local.processes.spawn import Command


class Enough(Exception):
    """The test has seen what it waited for."""


class Brief:
    """A service whose process ends at once, and which may not even start."""

    name = "brief"
    tries = 3

    def __init__(self, folder: Path, *, refusals: int = 0) -> None:
        self.starts = 0
        self.moves = 0
        self.ends: list[int] = []
        self._folder = folder
        self._refusals = refusals

    async def prepare(self) -> None:
        self.starts += 1
        if self.starts <= self._refusals:
            raise LocalError("not now")

    def command(self) -> Command:
        return Command(
            argv=(sys.executable, "-I", "-S", "-c", "raise SystemExit(7)"),
            environment={},
            folder=self._folder,
            death_signal=Signals.SIGKILL,
            stop=(),
        )

    async def answers(self) -> bool:
        return False

    async def ended(self, pid: int) -> None:
        self.ends.append(pid)

    def move(self) -> None:
        self.moves += 1


class Bench:
    """A keeper in a time of its own: every process seems to have lived as long as the test says."""

    def __init__(self, service: Brief, lives: Iterator[float], pauses: int) -> None:
        self.out = io.BytesIO()
        self.slept: list[float] = []
        self._now = 0.0
        self._service = service
        self._lives = lives
        self._pauses = pauses
        self._is_alive = False

    def clock(self) -> float:
        if self._is_alive:
            self._now += next(self._lives)
        self._is_alive = not self._is_alive
        return self._now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) == self._pauses:
            raise Enough

    def keep(self) -> str:
        """Run until the last pause; gives what was said."""

        async def run() -> None:
            printer = Printer(self.out, broken=lambda: None)
            tools = Tools(printer=printer, clock=self.clock, sleep=self.sleep, changed=lambda: None)
            with pytest.raises(Enough):
                await Keeper(self._service, tools).keep()
            printer.close()

        asyncio.run(run())
        return self.out.getvalue().decode()


def always(seconds: float) -> Iterator[float]:
    while True:
        yield seconds


def test_the_pauses_grow_up_to_the_longest(tmp_path: Path) -> None:
    service = Brief(tmp_path)
    bench = Bench(service, always(0.1), pauses=len(PAUSES) + 2)
    said = bench.keep()
    assert bench.slept == [*PAUSES, PAUSES[-1], PAUSES[-1]]
    assert "brief ended after 0.1 s (exit status 7); again now" in said
    assert "brief ended after 0.1 s (exit status 7); again in 15 s (start 9 in a row)" in said
    assert len(service.ends) == len(set(service.ends)) == len(PAUSES) + 2


def test_a_process_that_lived_long_is_started_at_once(tmp_path: Path) -> None:
    lives = iter([0.1, 0.1, 0.1, STABLE_SECONDS, 0.1])
    bench = Bench(Brief(tmp_path), lives, pauses=5)
    bench.keep()
    assert bench.slept == [PAUSES[0], PAUSES[1], PAUSES[2], PAUSES[0], PAUSES[1]]


def test_a_start_that_cannot_be_prepared_is_tried_again(tmp_path: Path) -> None:
    service = Brief(tmp_path, refusals=2)
    bench = Bench(service, always(0.1), pauses=3)
    said = bench.keep()
    assert said.count("brief cannot be started: not now") == 2
    assert service.starts == 3
    assert len(service.ends) == 1


def test_the_first_start_has_as_many_tries_as_the_service_grants(tmp_path: Path) -> None:
    service = Brief(tmp_path)

    async def run() -> None:
        printer = Printer(io.BytesIO(), broken=lambda: None)
        loop = asyncio.get_running_loop()
        tools = Tools(printer=printer, clock=loop.time, sleep=asyncio.sleep, changed=lambda: None)
        with pytest.raises(StartFailed, match=r"brief ended at its start \(exit status 7\)"):
            await Keeper(service, tools).start()
        printer.close()

    asyncio.run(run())
    assert service.starts == service.moves == len(service.ends) == 3
