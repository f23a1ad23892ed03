"""A thousand readers of one chat in one thread, some of which do not read."""

import asyncio
import socket
from dataclasses import dataclass

from tests.journeys.cutting import CutReplay, events_of
from tests.journeys.fleet import Process

SMALL_BYTES = 4096
"""Of the receive buffer of a reader that reads too slowly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What one reader got, and whether the server ended its stream in good order."""

    replay: CutReplay
    complete: bool


async def open_reader(api: Process, path: str, *, key: str, after: str = "") -> "Reader":
    """Ask for a stream. Raises `OSError`."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BYTES)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", api.port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=SMALL_BYTES)
    resume = f"Last-Event-ID: {after}\r\n" if after else ""
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n{resume}\r\n"
    writer.write(request.encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    return Reader(reader, writer)


@dataclass(slots=True)
class Reader:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def watch(self) -> Watched:
        """Read to the end."""
        raw, complete = bytearray(), False
        try:
            while size := int(await self.reader.readline(), 16):
                raw += await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            complete = True
        except (ValueError, asyncio.IncompleteReadError, ConnectionError):
            complete = False  # it ends in the middle: the server has closed the connection
        self.close()
        lines = raw.decode(errors="ignore").splitlines(keepends=True)
        replay = CutReplay()
        replay.take_all(events_of(lines))
        return Watched(replay=replay, complete=complete)

    def close(self) -> None:
        """Leave."""
        self.writer.close()
