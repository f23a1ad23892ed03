"""One connection of the load client: writes requests, notes what comes back and when."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self, cast

LAST_CHUNK: Final = b"0\r\n\r\n"

Read = tuple[int, bytes]
"""Bytes that came together, and when in nanoseconds."""


class RequestFailed(Exception):
    """The answer is not what a benchmark can be made of; the text is its beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request that was answered; nothing of the answer has been looked at yet."""

    sent_at: int
    reads: Sequence[Read]

    @property
    def ended_at(self) -> int:
        """When the last bytes came."""
        return self.reads[-1][0]


class Connection(asyncio.Protocol):
    """Keeps alive, one request at a time. What is read is looked at after the measurement."""

    def __init__(self) -> None:
        """Made by `open`."""
        self.reads: list[Read] = []
        self.on_read: Callable[[bytes], None] | None = None
        self._transport: asyncio.Transport | None = None
        self._ended: asyncio.Future[None] | None = None

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect to a port of this machine."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(cls, "127.0.0.1", port)
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its type

    def data_received(self, data: bytes) -> None:
        """Note it."""
        self.reads.append((time.monotonic_ns(), data))
        if self.on_read is not None:
            self.on_read(data)
        elif self._ended is not None and self._at_end(data):
            self._ended.set_result(None)
            self._ended = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits that there will be nothing more."""
        self._transport = None
        if self._ended is not None and not self._ended.done():
            self._ended.set_exception(RequestFailed(f"the connection was closed: {exc!r}"))
            self._ended = None

    def send(self, request: bytes) -> int:
        """Write a request, return when."""
        if self._transport is None:
            raise RequestFailed("the connection was closed")
        self.reads = []
        sent_at = time.monotonic_ns()
        self._transport.write(request)
        return sent_at

    async def exchange(self, request: bytes) -> Exchange:
        """Write a request and wait for the end of its chunked answer. Raises `RequestFailed`."""
        self._ended = asyncio.get_running_loop().create_future()
        ended = self._ended
        sent_at = self.send(request)
        await ended
        require_stream(self.reads)
        return Exchange(sent_at=sent_at, reads=self.reads)

    def close(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def _at_end(self, data: bytes) -> bool:
        if len(data) >= len(LAST_CHUNK):
            # What is no stream has a length instead of chunks; it ends the benchmark anyway.
            return data.endswith(LAST_CHUNK) or not _is_stream(self.reads)
        return b"".join(part for _, part in self.reads[-len(LAST_CHUNK) :]).endswith(LAST_CHUNK)


def require_stream(reads: Sequence[Read]) -> None:
    """Raise `RequestFailed` unless the answer is a stream."""
    if not _is_stream(reads):
        raise RequestFailed(b"".join(part for _, part in reads)[:500].decode(errors="replace"))


def _is_stream(reads: Sequence[Read]) -> bool:
    head = reads[0][1]
    return head.startswith(b"HTTP/1.1 2") and b"text/event-stream" in head
