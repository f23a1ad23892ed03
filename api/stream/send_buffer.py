"""What waits to be sent to one client: bounded, so that a slow one is cut off and can resume."""

import asyncio
from collections import deque
from collections.abc import Sequence
from enum import StrEnum


class EndReason(StrEnum):
    """Why a stream ended."""

    DONE = "done"  # all was sent that the client asked for
    CUT_OFF = "cut_off"  # the client reads too slowly
    LEFT = "left"  # the client went away, or we did


class SendBuffer:
    """Written events on their way to one client. One loop, one reader."""

    def __init__(self, limit: int) -> None:
        """Take how many events may wait."""
        self._limit = limit
        self._frames: deque[bytes] = deque()
        self._more = asyncio.Event()
        self.cut = asyncio.Event()
        self.end: EndReason | None = None

    @property
    def empty(self) -> bool:
        """The client has taken everything."""
        return not self._frames

    def put(self, frames: Sequence[bytes]) -> None:
        """Add what the client asked for itself: that is bounded by pages, not by the limit."""
        if self.end is None and frames:
            self._frames.extend(frames)
            self._more.set()

    def push(self, frames: Sequence[bytes]) -> bool:
        """Add what just happened; False = the client has not kept up, and is cut off."""
        if len(self._frames) + len(frames) > self._limit:
            self._frames.clear()
            self.finish(EndReason.CUT_OFF)
            self.cut.set()
            return False
        self.put(frames)
        return True

    def finish(self, end: EndReason) -> None:
        """Let the client have what waits, and nothing more."""
        if self.end is None:
            self.end = end
            self._more.set()

    async def take(self) -> bytes | None:
        """Wait for something and return all of it, None at the end."""
        while not self._frames:
            if self.end is not None:
                return None
            self._more.clear()
            await self._more.wait()
        taken = b"".join(self._frames)
        self._frames.clear()
        return taken
