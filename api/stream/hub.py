"""All streams of a process: who watches which chat, who reads when. One loop, no lock."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from api.stream.client import Client, StreamRequest
from api.stream.errors import StreamUnavailable
from api.stream.feed import Feed
from api.stream.send_buffer import EndReason, SendBuffer
from api.stream.subscription import Reads, Serving, Subscription, serve
from shared.chats.model.ids import ChatId
from shared.events.channels import chat_channel, chat_of_channel
from shared.events.wire import UnreadableNote, decode_note
from shared.metrics.metrics import Metrics

_log = structlog.stdlib.get_logger()

COMMENT = b": still here\n\n"
"""What a client gets when nothing happens, so that it and all between know the stream lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSettings:
    """Times in seconds.

    `acknowledgement`: how long a client waits for Redis before it is served from the database
    alone; `compare`: how often versions are compared, more often while Redis is away.
    """

    client_buffer: int
    heartbeat: float
    compare: float
    compare_alone: float = 1.0
    acknowledgement: float = 1.0
    first_retry: float = 0.2
    last_retry: float = 2.0


class Stream:
    """One client's end of it: take until there is nothing more, then close."""

    def __init__(self, hub: "Hub", subscription: Subscription, client: Client) -> None:
        """Made by `Hub.join`."""
        self._hub = hub
        self._subscription = subscription
        self._client = client
        self._open = True

    async def take(self) -> bytes | None:
        """Wait for events and return all that are there; None at the end."""
        client = self._client
        if client.paging and client.send_buffer.empty and not (client.wanting or client.fetching):
            client.want()
            self._subscription.kick()
        return await client.send_buffer.take()

    async def cut_off(self) -> None:
        """Wait until the client is cut off because it does not keep up."""
        await self._client.send_buffer.cut.wait()

    def close(self) -> None:
        """Go away. May be called again."""
        if self._open:
            self._open = False
            self._client.send_buffer.finish(EndReason.LEFT)
            self._hub.leave(self._subscription, self._client)


class Channels(Protocol):
    """The process's one pub/sub connection."""

    @property
    def connected(self) -> bool:
        """It hears everything."""
        ...

    async def subscribe(self, channel: str) -> None:
        """Return once the server has acknowledged it."""
        ...

    def unsubscribe(self, channel: str) -> None:
        """Leave a channel."""
        ...


class Hub:
    """Brings clients, notes and reads together. Everything happens on one loop.

    ::

        hub = Hub(reads=reads, metrics=metrics, settings=settings)
        subscriber = Subscriber(url, on_message=hub.hear, on_connected=hub.resync)
        subscriber.start()
        hub.start(subscriber)
        stream = await hub.join(chat_id, Wish(may_read=caller.may_read))
    """

    def __init__(
        self,
        *,
        reads: Reads,
        metrics: Metrics,
        settings: HubSettings,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Take what it reads from; the rest comes with `start`."""
        self._reads = reads
        self._metrics = metrics
        self._settings = settings
        self._clock = clock
        self._sleep = sleep
        self._serving = Serving(
            reads=reads,
            sleep=sleep,
            first_retry=self._settings.first_retry,
            last_retry=self._settings.last_retry,
        )
        self._channels: Channels | None = None
        self._subscriptions: dict[ChatId, Subscription] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._streams = 0

    def start(self, channels: Channels) -> None:
        """Begin. `channels` hands what it hears to `hear` and every new connection to `resync`."""
        loop = asyncio.get_running_loop()
        self._channels = channels
        self._tasks = [
            loop.create_task(self._beat(), name="stream-heartbeat"),
            loop.create_task(self._compare(), name="stream-compare"),
        ]

    async def stop(self) -> None:
        """End every stream; clients come back to another process."""
        for subscription in list(self._subscriptions.values()):
            for client in list(subscription.feed.clients):
                client.refuse(StreamUnavailable())
                subscription.feed.remove(client)
            self._release(subscription)
        self._channels = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def join(self, chat_id: ChatId, request: StreamRequest) -> Stream:
        """Open a stream: subscribed, then read. Events are there before this returns.

        Raises `ChatNotFound`, `BadVector`, `TurnUnknown` and `StreamUnavailable`.
        """
        client = Client(request, SendBuffer(self._settings.client_buffer))
        subscription = self._subscription(chat_id)
        subscription.joining += 1
        try:
            await self._acknowledged(subscription)
            if self._channels is None:
                raise StreamUnavailable
            subscription.feed.add(client)
            subscription.kick()
            await client.opened
        except BaseException:
            subscription.feed.remove(client)
            raise
        finally:
            subscription.joining -= 1
            self._release(subscription)
        self._count(1)
        return Stream(self, subscription, client)

    def leave(self, subscription: Subscription, client: Client) -> None:
        """Forget a client whose stream was opened."""
        self._count(-1)
        subscription.feed.remove(client)
        self._release(subscription)

    def hear(self, channel: str, data: bytes) -> None:
        """Take what was published."""
        try:
            subscription = self._subscriptions.get(chat_of_channel(channel))
            note = decode_note(data)
        except (UnreadableNote, ValueError) as error:
            _log.warning("stream.unreadable_note", channel=channel, error=repr(error))
            return
        if subscription is None:
            return
        subscription.feed.hear(note)
        subscription.kick()

    def resync(self) -> None:
        """Read for all clients: what was published lately may have been missed."""
        for subscription in self._subscriptions.values():
            subscription.feed.resync()
            subscription.kick()

    def _subscription(self, chat_id: ChatId) -> Subscription:
        subscription = self._subscriptions.get(chat_id)
        if subscription is not None:
            return subscription
        if self._channels is None:
            raise StreamUnavailable
        feed = Feed(chat_id, clock=self._clock, metrics=self._metrics)
        subscribed = asyncio.ensure_future(self._channels.subscribe(chat_channel(chat_id)))
        subscription = Subscription(feed=feed, subscribed=subscribed, kicked=asyncio.Event())
        self._subscriptions[chat_id] = subscription
        # Who did not wait for the acknowledgement may have missed something until it came.
        subscribed.add_done_callback(lambda _: (feed.resync(), subscription.kick()))
        serving = serve(
            subscription,
            self._serving,
            watched=lambda: self._subscriptions.get(chat_id) is subscription,
        )
        subscription.task = asyncio.get_running_loop().create_task(serving, name="stream-feed")
        return subscription

    async def _acknowledged(self, subscription: Subscription) -> None:
        if subscription.subscribed.done():
            return
        patience = asyncio.ensure_future(self._sleep(self._settings.acknowledgement))
        try:
            await asyncio.wait(
                [subscription.subscribed, patience], return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            patience.cancel()

    def _release(self, subscription: Subscription) -> None:
        """Leave the chat's channel with its last client."""
        chat_id = subscription.feed.chat_id
        if subscription.deserted and self._subscriptions.get(chat_id) is subscription:
            del self._subscriptions[chat_id]
            subscription.subscribed.cancel()
            if self._channels is not None:
                self._channels.unsubscribe(chat_channel(chat_id))
            subscription.kick()

    def _count(self, step: int) -> None:
        self._streams += step
        self._metrics.stream_subscribers.set(self._streams)

    @property
    def _compare_in(self) -> float:
        if self._channels is not None and self._channels.connected:
            return self._settings.compare
        return min(self._settings.compare, self._settings.compare_alone)

    async def _beat(self) -> None:
        """Keep idle connections from being taken for dead."""
        while True:
            await self._sleep(self._settings.heartbeat)
            for subscription in self._subscriptions.values():
                for client in subscription.feed.clients:
                    if client.opened.done() and client.send_buffer.empty:
                        client.send_buffer.put([COMMENT])

    async def _compare(self) -> None:
        """Find what no hint told of, with one query for all chats."""
        while True:
            await self._sleep(self._compare_in)
            asked = list(self._subscriptions.items())
            if not asked:
                continue
            try:
                versions = await self._reads.versions([chat_id for chat_id, _ in asked])
            except Exception as error:
                _log.warning("stream.compare_failed", exc_info=error)
                continue
            for chat_id, subscription in asked:
                subscription.feed.compare(versions.get(chat_id))
                subscription.kick()
