"""Writes episodes to Redis: one round trip for all, and one for each buffer to make anew."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import ResponseError

from shared.events.commands import (
    accepted,
    add_discard,
    add_flush,
    add_renewal,
    add_rewrite,
    read_flush,
)
from shared.events.connection import AsyncPipeline, open_async_pipeline
from shared.events.episode import Cap, Flush, Stored
from shared.events.writer import Ending, EpisodeWriter


class Recorder(Protocol):
    """Counts what goes wrong here."""

    def stream_buffer_dropped(self, count: int) -> None:
        """So many entries of an episode were left out of its buffer: it is full."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushSettings:
    """The times of a flusher, in seconds, and how much of an episode it keeps."""

    tick: float = 0.025
    wide_tick: float = 0.2
    buffer_ttl: int = 900
    closed_ttl: int = 60
    renewal: float = 10.0
    first_retry: float = 0.2
    last_retry: float = 2.0
    cap: Cap = field(default_factory=Cap)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """A flush on its way; `anew` False = its buffer should have been made anew and was not."""

    writer: EpisodeWriter
    flush: Flush
    anew: bool
    discarded: bool


class EpisodeStore:
    """The flusher's hand: it knows commands and answers, but no time to send them."""

    def __init__(
        self,
        redis: AsyncRedis,
        *,
        recorder: Recorder,
        settings: FlushSettings,
        clock: Callable[[], float],
    ) -> None:
        """Take what the flusher has."""
        self._redis = redis
        self._recorder = recorder
        self._settings = settings
        self._clock = clock

    async def write(
        self, batch: Collection[EpisodeWriter], idle: Collection[EpisodeWriter]
    ) -> None:
        """Write what waits in `batch`, renew the buffers of `idle`; tell each what became of it.

        Raises one of `REDIS_ERRORS` when Redis is away: then nothing is known of any of them.
        """
        prepared = [(writer, *(await self._prepare(writer))) for writer in batch]
        pipeline = open_async_pipeline(self._redis)
        written = [self._add(pipeline, *one) for one in prepared]
        for writer in idle:
            add_renewal(pipeline, writer, self._settings.buffer_ttl)
        answers = iter(await pipeline.execute(raise_on_error=False))
        for one in written:
            self._note(one, answers)
        for writer in idle:
            if not accepted(next(answers)):
                writer.state.lost_buffer()

    async def _prepare(self, writer: EpisodeWriter) -> tuple[Flush, bool]:
        flush = writer.state.take(rewrite=self._clock() >= writer.retry_rewrite_at)
        if writer.state.dropped:
            self._recorder.stream_buffer_dropped(writer.state.dropped)
            writer.state.dropped = 0
        if flush.rewrite is None:
            return flush, True
        anew = await self._rewrite(writer, flush.rewrite)
        if not anew:
            writer.retry_rewrite_at = self._clock() + self._settings.last_retry
        return flush, anew

    async def _rewrite(self, writer: EpisodeWriter, entries: tuple[Stored, ...]) -> bool:
        pipeline = open_async_pipeline(self._redis, transaction=True)
        add_rewrite(pipeline, writer, entries, self._settings.buffer_ttl)
        try:
            answers = await pipeline.execute(raise_on_error=False)
        except ResponseError:
            return False  # Redis is there and unwilling: full, for example
        return all(accepted(answer) for answer in answers[1:])

    def _add(
        self, pipeline: AsyncPipeline, writer: EpisodeWriter, flush: Flush, anew: bool
    ) -> _Written:
        discarded = writer.ending is Ending.DISCARDED
        if discarded:
            add_discard(pipeline, writer)
        else:
            closed = writer.ending is Ending.CLOSED
            ttl = self._settings.closed_ttl if closed else self._settings.buffer_ttl
            add_flush(pipeline, writer, flush, ttl)
        return _Written(writer=writer, flush=flush, anew=anew, discarded=discarded)

    def _note(self, one: _Written, answers: Iterator[object]) -> None:
        if one.discarded:
            next(answers)
            return
        taken = read_flush(answers, one.flush)
        one.writer.state.sent(one.flush, buffered=taken and one.anew)
        one.writer.published()
