"""Reads one streamed answer from an open response: events in, whole or failed, never cut short."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

import httpx2

from shared.failures.kinds import ProviderError, StreamTruncated, TransportFailed
from shared.jsonvalue import JsonObject
from workers.providers.http.error_mapping import TRANSPORT_ERRORS, Origin, broken, said
from workers.providers.http.json_access import load_object
from workers.providers.http.sse_decoder import MAX_EVENT_BYTES, SseDecoder, SseError, SseEvent
from workers.providers.protocol import StreamEnd, StreamEvent

DRAIN_SECONDS = 0.25  # how long the connection may take to become reusable after the answer


class AnswerMapper(Protocol):
    """What one dialect makes of its events."""

    complete: bool  # the terminal event was seen

    def take(self, event: SseEvent) -> list[StreamEvent]:
        """Map one event. Raises `ProviderError` and `TransportFailed`."""
        ...

    def take_whole(self, body: JsonObject) -> list[StreamEvent] | None:
        """Map an answer that came in one piece; None if it is not one."""
        ...

    def finish(self) -> StreamEnd:
        """Return the last event of a complete answer."""
        ...


async def read_answer(
    response: httpx2.Response,
    answer: AnswerMapper,
    origin: Origin,
    *,
    drain_seconds: float = DRAIN_SECONDS,
) -> AsyncGenerator[list[StreamEvent], None]:
    """Yield the events of each network chunk; the last list is the `Finish` alone.

    Raises `ProviderError`, `StreamTruncated`, `TransportFailed` and `Preclassified`.
    """
    if _is_whole(response):
        yield await _read_whole(response, answer, origin)
    else:
        decoder = SseDecoder()
        chunks = response.aiter_bytes()
        try:
            async for chunk in chunks:
                events = _map(decoder.feed(chunk), answer)
                if events:
                    yield events
                if answer.complete:
                    break
        except SseError:
            raise TransportFailed(origin.provider, "body") from None
        except TRANSPORT_ERRORS as error:
            raise broken(origin, error, "body") from None
        if not answer.complete:
            raise StreamTruncated(origin.provider, origin.dialect)
        await _drain(chunks, decoder, answer, drain_seconds)
    yield [answer.finish()]


def _map(received: list[SseEvent], answer: AnswerMapper) -> list[StreamEvent]:
    """Map events; nothing that comes after the terminal one can spoil the answer."""
    events: list[StreamEvent] = []
    for event in received:
        try:
            events += answer.take(event)
        except (ProviderError, TransportFailed):
            if not answer.complete:
                raise
    return events


async def _drain(
    chunks: AsyncIterator[bytes], decoder: SseDecoder, answer: AnswerMapper, seconds: float
) -> None:
    """Read on to the end, for the usage and so that the connection can be used again.

    The answer is complete: whatever goes wrong here costs a connection and nothing else.
    """
    try:
        async with asyncio.timeout(seconds):
            async for chunk in chunks:
                _map(decoder.feed(chunk), answer)
    except (*TRANSPORT_ERRORS, SseError):
        return


def _is_whole(response: httpx2.Response) -> bool:
    """Some servers forget the type of a stream, so only what is surely none is read whole."""
    kind = response.headers.get("content-type", "").lower()
    return "json" in kind or "html" in kind


async def _read_whole(
    response: httpx2.Response, answer: AnswerMapper, origin: Origin
) -> list[StreamEvent]:
    """Read a body that is no stream: an answer in one piece, or an error with status 200."""
    kind = response.headers.get("content-type", "")
    raw = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            raw += chunk
            if len(raw) > MAX_EVENT_BYTES:
                raise TransportFailed(origin.provider, "body")
    except TRANSPORT_ERRORS as error:
        raise broken(origin, error, "body") from None
    parsed = load_object(bytes(raw))
    events = None if parsed is None or parsed.get("error") else answer.take_whole(parsed)
    if events is None:
        raise said(
            origin,
            raw.decode(errors="replace"),
            headers=response.headers,
            otherwise=f"the provider answered with {kind!r} instead of an event stream",
        )
    return events
