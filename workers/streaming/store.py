"""Writes episodes to Redis: one round trip for all."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import structlog
from redis.asyncio import Redis as AsyncRedis

from shared.redis.connection import open_async_pipeline
from workers.streaming.episode import Cap, Flush
from workers.streaming.script import (
    Taken,
    accepted,
    add_discard,
    add_flush,
    add_renewal,
    read_flush,
)
from workers.streaming.writer import EpisodeEnding, EpisodeWriter
from workers.worker_metrics import WorkerMetrics

_log = structlog.stdlib.get_logger()


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


class EpisodeStore:
    """The flusher's hand: it knows commands and answers, but no time to send them."""

    def __init__(
        self,
        redis: AsyncRedis,
        *,
        metrics: WorkerMetrics,
        settings: FlushSettings,
        clock: Callable[[], float],
    ) -> None:
        """Take what the flusher has."""
        self._redis = redis
        self._metrics = metrics
        self._settings = settings
        self._clock = clock

    async def write(
        self, batch: Collection[EpisodeWriter], idle: Collection[EpisodeWriter]
    ) -> None:
        """Write what waits in `batch`, renew the buffers of `idle`; tell each what became of it.

        Raises one of `REDIS_ERRORS` when Redis is away: then nothing is known of any of them.
        """
        void = [writer for writer in batch if writer.ending is EpisodeEnding.DISCARDED]
        kept = (writer for writer in batch if writer.ending is not EpisodeEnding.DISCARDED)
        flushes = [(writer, self._take(writer)) for writer in kept]
        pipeline = open_async_pipeline(self._redis)
        for writer in void:
            add_discard(pipeline, writer)
        for writer in idle:
            add_renewal(pipeline, writer, self._settings.buffer_ttl)
        for number, (writer, flush) in enumerate(flushes):
            add_flush(pipeline, writer, flush, self._ttl(writer), known=number > 0)
        answers = iter(await pipeline.execute(raise_on_error=False))
        for _ in void:
            next(answers)
        for writer in idle:
            if not accepted(next(answers)):
                writer.state.lost_buffer()
        for writer, flush in flushes:
            self._note(writer, flush, read_flush(answers))

    def _take(self, writer: EpisodeWriter) -> Flush:
        flush = writer.state.take(rewrite=self._clock() >= writer.retry_rewrite_at)
        if writer.state.dropped:
            self._metrics.stream_buffer_dropped(writer.state.dropped)
            writer.state.dropped = 0
        return flush

    def _ttl(self, writer: EpisodeWriter) -> int:
        closed = writer.ending is EpisodeEnding.CLOSED
        return self._settings.closed_ttl if closed else self._settings.buffer_ttl

    def _note(self, writer: EpisodeWriter, flush: Flush, taken: Taken) -> None:
        if taken is Taken.SEALED:
            _log.info("episode.sealed", chat_id=str(writer.chat_id))
            writer.seal()
            return
        buffered = taken is Taken.WHOLE
        if flush.rewrite is not None and not buffered:
            # Redis is there and unwilling: full, for example.
            writer.retry_rewrite_at = self._clock() + self._settings.last_retry
        writer.state.sent(flush, buffered=buffered)
        writer.published()
