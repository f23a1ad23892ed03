"""The streams of an API process as its routes see them: opened for a caller, ended with its key."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

import structlog
from fastapi.concurrency import run_in_threadpool
from redis.asyncio import Redis as AsyncRedis
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from api.access.caller import Caller, KeyId
from api.access.gate import Gate, Unauthenticated
from api.sse import EventStream
from api.stream.client import Wish
from api.stream.hub import Hub, HubSettings, Listener, Stream
from api.stream.reader import Reader
from api.stream.serve import StreamUnavailable
from api.stream.until import Until
from shared.chats.types import ChatId, TurnId
from shared.config.settings import Settings
from shared.events.connection import open_async_redis
from shared.events.subscriber import Subscriber
from shared.metrics.metrics import Metrics

RECHECK_SECONDS: Final = 2.0
"""Together with the gate's own two seconds a revoked key's streams end within five."""

_log = structlog.stdlib.get_logger()


class StreamMetrics:
    """Counts streams, for the hub."""

    def __init__(self, metrics: Metrics) -> None:
        """Take the process's metrics."""
        self._metrics = metrics

    def stream_subscribers(self, count: int) -> None:
        """So many streams are open now."""
        self._metrics.stream_subscribers.set(count)

    def stream_cut_off(self) -> None:
        """One more was cut off."""
        self._metrics.stream_cut_off_total.inc()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    """What lives on the loop, from start to stop."""

    redis: AsyncRedis
    reader: Reader
    hub: Hub
    subscriber: Subscriber
    confirming: asyncio.Task[None]


@dataclass(eq=False, slots=True, kw_only=True)
class _Owned:
    """A stream and whose it is; the source of an answer."""

    stream: Stream
    caller: Caller
    forget: Callable[["_Owned"], None]

    async def take(self) -> bytes | None:
        return await self.stream.take()

    async def cut_off(self) -> None:
        await self.stream.cut_off()

    def close(self) -> None:
        self.forget(self)
        self.stream.close()


class Streams:
    """All streams of the process. Made anywhere; started and used on the loop of the API.

    ::

        streams = Streams(settings, engine=own_engine, gate=gate, metrics=metrics)
        await streams.start()  # in the lifespan
        await streams.stop()   # as soon as the process is told to stop: it ends every stream

    `engine` is for streams alone, with `stream_pool_size` connections: what they read then never
    waits behind POSTs. Opening raises `StreamUnavailable` unless it is started.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        engine: Engine,
        gate: Gate,
        metrics: Metrics,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Take what it needs; nothing connects yet."""
        self._settings = settings
        self._engine = engine
        self._gate = gate
        self._metrics = StreamMetrics(metrics)
        self._sleep = sleep
        self._running: _Running | None = None
        self._open: set[_Owned] = set()

    async def start(self) -> None:
        """Connect to Redis and serve. Redis may be away: streams then live from the database."""
        settings = self._settings
        url = settings.redis_url.get_secret_value()
        redis = open_async_redis(url)
        reader = Reader(self._engine, redis, threads=settings.stream_pool_size)
        times = HubSettings(
            client_buffer=settings.stream_client_buffer,
            heartbeat=settings.heartbeat_seconds,
            compare=settings.stream_compare_seconds,
        )
        hub = Hub(reads=reader, recorder=self._metrics, settings=times, sleep=self._sleep)
        subscriber = Subscriber(
            url, on_message=hub.hear, on_connected=hub.resync, sleep=self._sleep
        )
        subscriber.start()
        hub.start(subscriber)
        confirming = asyncio.get_running_loop().create_task(self._confirm(), name="stream-keys")
        self._running = _Running(
            redis=redis, reader=reader, hub=hub, subscriber=subscriber, confirming=confirming
        )

    async def stop(self) -> None:
        """End every stream and disconnect. May be called again."""
        running, self._running = self._running, None
        if running is None:
            return
        running.confirming.cancel()
        await asyncio.wait([running.confirming])
        await running.hub.stop()
        await running.subscriber.stop()
        running.reader.close()
        await running.redis.aclose()

    def open(self, caller: Caller, chat_id: ChatId, wish: Wish) -> EventStream:
        """Return the answer that is this stream. What `Hub.join` raises comes when it is sent."""

        async def join() -> _Owned:
            stream = await self._hub.join(chat_id, wish)
            owned = _Owned(stream=stream, caller=caller, forget=self._open.discard)
            self._open.add(owned)
            return owned

        return EventStream(join)

    def __call__(self, caller: Caller, chat_id: ChatId, turn_id: TurnId) -> EventStream:
        """Return the stream of a turn: from its own message to its end or pause."""
        until = Until(turn_id=turn_id)
        return self.open(caller, chat_id, Wish(may_read=caller.may_read, history=None, until=until))

    def watch(self, chat_id: ChatId) -> AbstractAsyncContextManager[Listener]:
        """Listen to a chat while it is entered, without reading it."""
        return self._hub.watch(chat_id)

    @property
    def _hub(self) -> Hub:
        if self._running is None:
            raise StreamUnavailable
        return self._running.hub

    async def _confirm(self) -> None:
        """End the streams of keys that no longer count."""
        while True:
            await self._sleep(RECHECK_SECONDS)
            callers = {owned.caller.key_id: owned.caller for owned in self._open}
            for key_id, caller in callers.items():
                try:
                    if self._gate.known(caller.proof) is None:
                        await run_in_threadpool(self._gate.ask, caller.proof)
                except Unauthenticated:
                    self._close_all(key_id)
                except SQLAlchemyError as error:
                    # An outage says nothing of the key.
                    _log.warning("streams.key_unconfirmed", error=type(error).__name__)

    def _close_all(self, key_id: KeyId) -> None:
        for owned in [one for one in self._open if one.caller.key_id == key_id]:
            _log.info("streams.key_ended", key_id=str(key_id))
            owned.close()
