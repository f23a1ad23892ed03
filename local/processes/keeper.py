"""Keeps one service running: started, watched, and started again, later and later if it fails."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from signal import Signals
from typing import Protocol

from local.errors import LocalError, StartFailed
from local.processes.child import Child
from local.processes.output import Printer
from local.processes.spawn import Command

READY_SECONDS = 60.0
POLL_SECONDS = 0.05

STABLE_SECONDS = 15.0
"""Whoever lived so long was no victim of its own start."""

PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds before each start in a row; a service that was killed once is back at once."""


class Service(Protocol):
    """A long-lived child, seen from outside."""

    name: str
    tries: int  # of the first start; later ones never end

    async def prepare(self) -> None:
        """Make what the command needs; before every start."""
        ...

    def command(self) -> Command:
        """What to run."""
        ...

    async def answers(self) -> bool:
        """Whether it is ready."""
        ...

    async def ended(self, pid: int) -> None:
        """Do what its end asks for; the process is gone."""
        ...

    def move(self) -> None:
        """Give up a port that nobody knows yet."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What every keeper needs from outside."""

    printer: Printer
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    changed: Callable[[], None]
    """Called in the loop whenever a pid has changed."""


class Keeper:
    """One service and the process it has now."""

    def __init__(self, service: Service, tools: Tools) -> None:
        """Take the service; nothing runs yet."""
        self.service = service
        self._tools = tools
        self._child: Child | None = None
        self._started_at = 0.0
        self._failures = 0

    @property
    def pid(self) -> int | None:
        """The process, None while there is none."""
        return self._child.pid if self._child is not None else None

    async def start(self) -> None:
        """Start it and wait until it is ready. Raises `StartFailed`."""
        for left in reversed(range(self.service.tries)):
            await self._launch()
            if await self._ready():
                return
            status = await self._end()
            self.service.move()
            if not left:
                raise StartFailed(self.service.name, f"ended at its start ({ending(status)})")

    async def keep(self) -> None:
        """Start it again whenever it ends, until this is cancelled."""
        while True:
            if self._child is not None:
                await self._child.wait()
                lived = self._tools.clock() - self._started_at
                status = await self._end()
                # Whoever was killed from outside has not failed, however often that happens.
                if lived >= STABLE_SECONDS or status == -Signals.SIGKILL:
                    self._failures = 0
                await self._pause(f"ended after {lived:.1f} s ({ending(status)})")
            try:
                await self._launch()
            except (LocalError, OSError) as error:
                await self._pause(f"cannot be started: {error}")

    async def stop(self, hurry: asyncio.Event | None = None) -> None:
        """Stop it; after `keep` is cancelled."""
        if self._child is not None:
            await self._child.stop(hurry)
            await self._end()

    async def _launch(self) -> None:
        await self.service.prepare()
        self._started_at = self._tools.clock()
        self._child = Child(self.service.name, self.service.command(), self._tools.printer)
        self._tools.changed()

    async def _ready(self) -> bool:
        """Whether it is ready in the end; false when it has ended instead."""
        assert self._child is not None
        while not await self.service.answers():
            if self._child.status is not None:
                return False
            if self._tools.clock() - self._started_at > READY_SECONDS:
                reason = f"is not ready after {READY_SECONDS:.0f} s"
                raise StartFailed(self.service.name, reason)
            await self._tools.sleep(POLL_SECONDS)
        return self._child.status is None

    async def _end(self) -> int:
        """Clear up after a process that is gone or about to be; gives its status."""
        assert self._child is not None
        child = self._child
        status = await child.wait()
        self._child = None
        self._tools.changed()
        await self.service.ended(child.pid)
        return status

    async def _pause(self, reason: str) -> None:
        pause = PAUSES[min(self._failures, len(PAUSES) - 1)]
        self._failures += 1
        again = f"again in {pause:g} s (start {self._failures} in a row)" if pause else "again now"
        self._tools.printer.say(f"{self.service.name} {reason}; {again}")
        await self._tools.sleep(pause)


def ending(status: int) -> str:
    """The words for an exit status."""
    return f"exit status {status}" if status >= 0 else f"killed by signal {-status}"
