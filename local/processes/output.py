"""The one door to the terminal: whole lines, each with the name of who said it."""

import queue
import threading
from collections.abc import Callable
from typing import IO

WIDTH = 9
"""Of the longest name, `worker-10`."""

BACKLOG_LINES = 10_000
CLOSE_SECONDS = 2.0


class Printer:
    """Writes lines in a thread of its own, so that a stalled terminal stalls nobody.

    What a reader does not take is dropped beyond the backlog, and the gap is said.
    """

    def __init__(self, out: IO[bytes], *, broken: Callable[[], None]) -> None:
        """Take the stream, and what to call (in the writing thread) when its reader is gone."""
        self._out = out
        self._broken = broken
        self._lines: queue.Queue[bytes | None] = queue.Queue(BACKLOG_LINES)
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="printer", daemon=True)
        self._thread.start()

    def say(self, text: str) -> None:
        """Print lines of our own."""
        for line in text.splitlines() or [""]:
            self.line("stepwell", line)

    def line(self, name: str, text: str) -> None:
        """Print one line of a child."""
        self.raw(f"{name:<{WIDTH}}| {text}")

    def raw(self, text: str) -> None:
        """Print without a name in front, for what people copy."""
        try:
            self._lines.put_nowait(f"{text}\n".encode(errors="replace"))
        except queue.Full:
            self._dropped += 1

    def close(self) -> None:
        """Write what is left, as far as the reader takes it within two seconds."""
        try:
            self._lines.put(None, timeout=CLOSE_SECONDS)
        except queue.Full:
            return  # nobody reads; the daemon thread ends with the process
        self._thread.join(CLOSE_SECONDS)

    def _write(self) -> None:
        try:
            while (line := self._lines.get()) is not None:
                self._out.write(line)
                if self._dropped:
                    self._out.write(b"%d lines were not read in time\n" % self._dropped)
                    self._dropped = 0
                if self._lines.empty():
                    self._out.flush()
            self._out.flush()
        except (OSError, ValueError):
            self._broken()
