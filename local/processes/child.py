"""One running child: its output goes to the printer line by line, its end can be awaited."""

import asyncio
import subprocess
import threading
from collections.abc import Iterable
from signal import Signals
from typing import IO

from local.processes.output import Printer
from local.processes.spawn import Command, Patience, spawn

LINE_BYTES = 16 * 1024
"""A longer line is shown in pieces."""


class Child:
    """A process from its start to its end."""

    def __init__(
        self, name: str, command: Command, printer: Printer, *, text: str | None = None
    ) -> None:
        """Start it, with `text` on its standard input. From the event loop's thread, see `spawn`.

        Nothing is awaited here, so that no cancellation can lose a process that runs already.
        """
        self.name = name
        self._command = command
        self._printer = printer
        self._loop = asyncio.get_running_loop()
        self._exited: asyncio.Future[int] = self._loop.create_future()
        self._process = spawn(command, subprocess.PIPE, stdin=subprocess.PIPE)
        self._pump = threading.Thread(target=self._copy, name=f"{name} output", daemon=True)
        self._pump.start()
        threading.Thread(target=self._reap, name=f"{name} end", daemon=True).start()
        self._feed(text or "")

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """How it ended (negative: by that signal); None while it runs."""
        return self._exited.result() if self._exited.done() else None

    async def wait(self) -> int:
        """Await the end; gives the status."""
        return await asyncio.shield(self._exited)

    async def stop(self, hurry: asyncio.Event | None = None) -> int:
        """Stop it rung by rung, at last by SIGKILL; `hurry` goes to the last resort at once."""
        for rung in self._command.stop:
            if self._exited.done() or (hurry is not None and hurry.is_set()):
                break
            self._process.send_signal(rung.signal)
            await self._first_of(rung, hurry)
        if not self._exited.done():
            self._printer.say(f"{self.name} still runs; it is killed")
            self._process.send_signal(Signals.SIGKILL)
        status = await self.wait()
        self._pump.join(1)  # its last words, unless a child of its own still holds the pipe
        return status

    async def _first_of(self, rung: Patience, hurry: asyncio.Event | None) -> None:
        waits: list[asyncio.Future[int] | asyncio.Task[bool]] = [self._exited]
        if hurry is not None:
            waits.append(asyncio.ensure_future(hurry.wait()))
        await asyncio.wait(waits, timeout=rung.seconds, return_when=asyncio.FIRST_COMPLETED)
        _cancel(waits[1:])

    def _feed(self, text: str) -> None:
        assert self._process.stdin is not None
        try:
            with self._process.stdin as stdin:
                stdin.write(text.encode())
        except BrokenPipeError:
            return  # it ended without reading; its status tells why

    def _copy(self) -> None:
        pipe = self._process.stdout
        assert pipe is not None
        with pipe:
            for line in _lines(pipe):
                self._printer.line(self.name, line)

    def _reap(self) -> None:
        status = self._process.wait()
        self._loop.call_soon_threadsafe(self._exited.set_result, status)


async def run_once(name: str, command: Command, printer: Printer, *, text: str) -> int:
    """Run a command to its end and give its status; stops it when cancelled."""
    child = Child(name, command, printer, text=text)
    try:
        return await child.wait()
    finally:
        await child.stop()


def _lines(pipe: IO[bytes]) -> Iterable[str]:
    while line := pipe.readline(LINE_BYTES):
        yield line.decode(errors="replace").rstrip("\r\n")


def _cancel(waits: Iterable[asyncio.Future[int] | asyncio.Task[bool]]) -> None:
    for wait in waits:
        wait.cancel()
