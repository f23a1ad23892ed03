"""The server of the fake model: one protocol object a connection, no framework."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, cast

from benchmarks.model.answer import (
    ChatDialect,
    Dialect,
    MessagesDialect,
    Plan,
    asked_plan,
    results_in,
    stamp,
)

_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
_REFUSAL: Final = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"
_LAST_CHUNK: Final = b"0\r\n\r\n"
_NEVER: Final = 0


class Hops:
    """The time from the end of an answer to the next request of its turn; one turn at a time."""

    def __init__(self) -> None:
        """Begin without a turn."""
        self._ended_at = _NEVER
        self._gaps: list[int] = []

    def ended(self, now_ns: int) -> None:
        """Note that an answer has ended that one more step follows."""
        self._ended_at = now_ns

    def asked(self, now_ns: int) -> None:
        """Note that the next step is here."""
        if self._ended_at != _NEVER:
            self._gaps.append(now_ns - self._ended_at)
            self._ended_at = _NEVER

    def told(self) -> str:
        """Return the gaps of the turn, in nanoseconds, as text; and forget them."""
        gaps, self._gaps = self._gaps, []
        return "".join(stamp(gap) for gap in gaps)


class ModelProtocol(asyncio.Protocol):
    """One connection: request after request, each answered as its model's name says."""

    def __init__(self, hops: Hops, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """Take what all connections share."""
        self._hops = hops
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its type

    def connection_lost(self, exc: Exception | None) -> None:
        """Say nothing more."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Collect a request and answer it."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        self._received = b""
        self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        now = self._clock()
        try:
            plan = asked_plan(body)
        except ValueError:
            self._write(_REFUSAL)
            return
        if plan.hops:
            self._hops.asked(now)
        made = results_in(body)
        if made < plan.hops:
            self._hop(made)
        elif plan.hops:
            dialect = ChatDialect()
            text = dialect.piece(self._hops.told())
            self._write(_HEAD + _chunk(dialect.start() + text + dialect.end()) + _LAST_CHUNK)
        else:
            self._stream(plan, MessagesDialect() if b" /v1/messages " in head else ChatDialect())

    def _hop(self, made: int) -> None:
        dialect = ChatDialect()
        events = dialect.start() + dialect.call(made) + dialect.end(b"tool_calls")
        self._write(_HEAD + _chunk(events) + _LAST_CHUNK)
        self._hops.ended(self._clock())

    def _stream(self, plan: Plan, dialect: Dialect) -> None:
        first = dialect.start() + dialect.piece(stamp(self._clock()))
        self._write(_HEAD + _chunk(first))
        self._later(plan, dialect, plan.deltas - 1, self._loop.time())

    def _later(self, plan: Plan, dialect: Dialect, left: int, said_at: float) -> None:
        if plan.seconds:
            # From when it was due, not from when it was said: the pace is the plan's.
            at = said_at + plan.seconds
            self._loop.call_at(at, self._next, plan, dialect, left, at)
        else:
            self._loop.call_soon(self._next, plan, dialect, left, said_at)

    def _next(self, plan: Plan, dialect: Dialect, left: int, at: float) -> None:
        if self._transport is None:
            return
        if left:
            self._write(_chunk(dialect.piece(stamp(self._clock()))))
            self._later(plan, dialect, left - 1, at)
        else:
            self._write(_chunk(dialect.end()) + _LAST_CHUNK)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)
