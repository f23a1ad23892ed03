"""Server-sent events over ASGI: one response that lasts, and ends when either side wants it to."""

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

RETRY: Final = b"retry: 2000\n\n"
"""After a broken connection clients come back in so many milliseconds."""

HEADERS: Final = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
}

GRACE_SECONDS: Final = 5.0
"""How long a client that was cut off has to take what is on its way already."""


class EventSource(Protocol):
    """Where the events come from, written."""

    async def take(self) -> bytes | None:
        """Wait for events and return all that are there; None at the end."""
        ...

    async def cut_off(self) -> None:
        """Wait until the reader is given up because it does not keep up."""
        ...

    def close(self) -> None:
        """Nobody reads any more."""
        ...


class EventStream(Response):
    """Sends what a source has until it ends or the client goes. A disconnect stops nothing else."""

    def __init__(
        self,
        source: EventSource,
        *,
        headers: Mapping[str, str] | None = None,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        """Take an open source, which is closed at the end, and headers of the answer's own."""
        super().__init__(status_code=200, headers={**HEADERS, **(headers or {})})
        del self.headers["content-length"]
        self._source = source
        self._grace = grace_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the end."""
        source = self._source
        tasks: list[asyncio.Task[None]] = []
        try:
            head = {"type": "http.response.start", "status": self.status_code}
            await send({**head, "headers": self.raw_headers})
            pump = asyncio.create_task(_pump(source, send))
            gone = asyncio.create_task(_disconnected(receive))
            tasks += [pump, gone, asyncio.create_task(source.cut_off())]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not (pump.done() or gone.done()):
                await asyncio.wait([pump, gone], timeout=self._grace)
            if pump.done():
                pump.result()
        finally:
            source.close()
            for task in tasks:
                task.cancel()


async def _pump(source: EventSource, send: Send) -> None:
    await _send(send, RETRY, more=True)
    while (chunk := await source.take()) is not None:
        await _send(send, chunk, more=True)
    await _send(send, b"", more=False)


async def _send(send: Send, body: bytes, *, more: bool) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
