"""Sends a response byte by byte as it should be, or broken in the way a test asks for."""

import asyncio
import socket
import struct
from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from tests.fakes.recorder import Seen


class Wire(BaseModel):
    """The key `wire` of a script: what goes wrong below the dialect."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    silent: bool = False  # take the request and never answer
    reset: bool = False  # reset the connection instead of an answer
    cut_at: Annotated[int, Field(ge=0)] | None = None  # bytes of the body that go out
    close: Literal["clean", "abrupt", "reset", "stall"] = "abrupt"  # how the cut ends
    first_event: Annotated[int, Field(ge=0)] = 0  # bytes of an event that comes before all others
    chunk: Annotated[int, Field(ge=1)] | None = None  # bytes per write
    newline: Literal["\n", "\r\n", "\r"] = "\n"
    hang: bool = False  # keep the response open after its end
    body: str | None = None  # send this instead of the answer
    latin1: bool = False  # send it so encoded, so that any byte can be sent
    status: int = 200
    content_type: str = "text/event-stream"
    reasoning_field: Literal["reasoning_content", "reasoning"] = "reasoning_content"
    usage: bool = True
    done: bool = True  # the last line of a chat completion, [DONE]
    numbered: bool = False  # put the number of the request for each `{ask}` in a text


class Cut(Exception):
    """The response was cut off as asked; nothing more can be sent."""


class Sender:
    """Sends the body of one response through the faults that were asked for."""

    def __init__(self, request: web.BaseRequest, wire: Wire, seen: Seen) -> None:
        self._request = request
        self._wire = wire
        self._response: web.StreamResponse | None = None
        self._seen = seen

    @property
    def begun(self) -> bool:
        return self._response is not None

    @property
    def number(self) -> int:
        return self._seen.number

    async def send(self, body: bytes) -> None:
        """Send more of the body; raises `Cut` when the cut is reached."""
        response = await self._begin()
        if self._wire.newline != "\n":
            body = body.replace(b"\n", self._wire.newline.encode())
        cut = self._wire.cut_at is not None and self._seen.sent + len(body) >= self._wire.cut_at
        if cut and self._wire.cut_at is not None:
            body = body[: self._wire.cut_at - self._seen.sent]
        self._seen.sent += len(body)
        step = self._wire.chunk or len(body) or 1
        for at in range(0, len(body), step):
            await response.write(body[at : at + step])
            if self._wire.chunk:
                await asyncio.sleep(0)  # let each chunk leave on its own
        if cut:
            await self._cut_off(response)
            raise Cut

    async def end(self) -> web.StreamResponse:
        """End the response in good order."""
        response = await self._begin()
        if self._wire.hang:
            await asyncio.get_running_loop().create_future()
        await response.write_eof()
        return response

    async def _begin(self) -> web.StreamResponse:
        if self._response is None:
            self._response = web.StreamResponse(
                status=self._wire.status, headers={"Content-Type": self._wire.content_type}
            )
            self._response.enable_chunked_encoding()
            await self._response.prepare(self._request)
        return self._response

    async def _cut_off(self, response: web.StreamResponse) -> None:
        match self._wire.close:
            case "clean":
                await response.write_eof()
            case "abrupt":
                close(self._request)
            case "reset":
                reset(self._request)
            case "stall":
                await asyncio.get_running_loop().create_future()


def close(request: web.BaseRequest) -> None:
    """Close the connection once everything written is out."""
    if request.transport is not None:
        request.transport.close()


def reset(request: web.BaseRequest) -> None:
    """Close the connection with a TCP reset."""
    transport = request.transport
    if transport is None:
        return
    sock: socket.socket = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
