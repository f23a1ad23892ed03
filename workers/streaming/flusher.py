"""Takes the parts of all steps of one loop to Redis, together, forty times a second at the most."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Collection

import structlog
from redis.asyncio import Redis as AsyncRedis

from shared.chats.model.ids import ChatId
from shared.chats.model.lease import Episode
from shared.redis.connection import REDIS_ERRORS
from workers.streaming.store import EpisodeStore, FlushSettings
from workers.streaming.writer import EpisodeEnding, EpisodeWriter
from workers.worker_metrics import WorkerMetrics

_log = structlog.stdlib.get_logger()


class Flusher:
    """One per asyncio loop; everything about it happens on that loop.

    A step opens a writer. A first delta leaves at once, others wait for the tick: 25 ms, or 200 ms
    while one round trip to Redis takes longer than a tick. All chats share each round trip. When
    Redis is away nothing is raised and nothing blocks: parts are kept, up to the cap, and every
    episode is written anew as soon as Redis is back.
    """

    def __init__(
        self,
        redis: AsyncRedis,
        *,
        metrics: WorkerMetrics,
        settings: FlushSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Take a client of `open_async_redis` made for this loop; the caller closes it."""
        self._settings = settings or FlushSettings()
        self._store = EpisodeStore(redis, metrics=metrics, settings=self._settings, clock=clock)
        self._clock = clock
        self._sleep = sleep
        self._window = self._settings.tick
        self._retry = self._settings.first_retry
        self._writers: set[EpisodeWriter] = set()
        self._waiting: set[EpisodeWriter] = set()
        self._urgent: set[EpisodeWriter] = set()
        self._due = math.inf
        self._renew_at = clock() + self._settings.renewal
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to flush. On the loop."""
        self._stopping.clear()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="flusher")

    async def stop(self) -> None:
        """Write what waits, once, and end."""
        if self._task is None:
            return
        self._stopping.set()
        self._woken.set()
        await asyncio.wait([self._task])
        self._task = None
        for writer in self._writers:
            writer.state.failed()  # the last round may have been cut off
        try:
            await self._store.write(self._writers, set())
        except REDIS_ERRORS as error:
            _log.warning("flusher.last_flush_failed", error=repr(error))

    def open(self, chat_id: ChatId, episode: Episode) -> EpisodeWriter:
        """Begin an episode. Open each only once: its numbers start at 1."""
        writer = EpisodeWriter(chat_id, episode, cap=self._settings.cap, wake=self._wake)
        self._writers.add(writer)
        return writer

    def _wake(self, writer: EpisodeWriter, urgent: bool) -> None:
        if not self._waiting:
            self._due = self._clock() + self._window
            self._woken.set()
        self._waiting.add(writer)
        if urgent:
            self._urgent.add(writer)
            self._woken.set()

    async def _run(self) -> None:
        while not (self._stopping.is_set() or _cancelled()):
            try:
                await self._wait()
                await self._round()
            except Exception:
                # A defect here must not silence the streams of all steps for good.
                _log.exception("flusher.failed")
                await self._start_over(self._settings.last_retry)

    async def _wait(self) -> None:
        """Wait for the tick, for the next renewal, or for something urgent."""
        self._woken.clear()
        seconds = min(self._due, self._renew_at) - self._clock()
        if self._urgent or seconds <= 0:
            return
        await self._pause(seconds, self._woken)

    async def _pause(self, seconds: float, unless: asyncio.Event) -> None:
        waits = [
            asyncio.ensure_future(self._sleep(seconds)),
            asyncio.ensure_future(unless.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _round(self) -> None:
        begun = self._clock()
        batch = self._take_batch(begun)
        idle = self._take_idle(begun, batch)
        if not batch and not idle:
            return
        try:
            await self._store.write(batch, idle)
        except REDIS_ERRORS as error:
            await self._back_off(error)
            return
        slow = self._clock() - begun > self._settings.tick
        self._window = self._settings.wide_tick if slow else self._settings.tick
        self._retry = self._settings.first_retry
        self._follow_up(batch | idle)

    def _take_batch(self, now: float) -> set[EpisodeWriter]:
        batch = (self._waiting if now >= self._due else self._urgent).copy()
        self._waiting -= batch
        self._urgent -= batch
        if not self._waiting:
            self._due = math.inf
        return batch

    def _take_idle(self, now: float, batch: Collection[EpisodeWriter]) -> set[EpisodeWriter]:
        if now < self._renew_at:
            return set()
        self._renew_at = now + self._settings.renewal
        return {one for one in self._writers if one not in batch and one.state.buffered}

    def _follow_up(self, written: Collection[EpisodeWriter]) -> None:
        """Forget the episodes that ended; make the buffers anew that turned out to be broken."""
        for writer in written:
            if writer.ending is not EpisodeEnding.OPEN and writer not in self._waiting:
                self._writers.discard(writer)
            elif writer.state.broken and self._clock() >= writer.retry_rewrite_at:
                self._wake(writer, True)
            elif writer.state.broken:
                # Its step may have nothing more to say that would try again.
                self._renew_at = min(self._renew_at, writer.retry_rewrite_at)

    async def _back_off(self, error: Exception) -> None:
        """Wait for Redis to come back."""
        if self._retry == self._settings.first_retry:
            _log.warning("flusher.redis_away", error=repr(error))
        await self._start_over(self._retry)
        self._retry = min(self._retry * 2, self._settings.last_retry)

    async def _start_over(self, seconds: float) -> None:
        """Trust no buffer any more, and write all of them anew after so many seconds."""
        # Who watches an episode that ended reads its rows: there is nothing to make up for.
        self._writers = {one for one in self._writers if one.ending is EpisodeEnding.OPEN}
        for writer in self._writers:
            writer.state.failed()
        self._waiting = {one for one in self._writers if one.state.waiting or one.state.broken}
        self._urgent.clear()
        await self._pause(seconds, self._stopping)
        self._due = self._clock() if self._waiting else math.inf


def _cancelled() -> bool:
    # redis-py swallows a cancellation that meets one of its own time-outs.
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
