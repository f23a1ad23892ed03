import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from local.databases.valkey import Valkey
from shared.events.subscriber import Subscriber, SubscriberSettings
from shared.redis.connection import open_redis
from tests.integration.events.listening import PATIENCE_SECONDS, kill

QUICK = SubscriberSettings(silence=0.1, timeout=0.3, connect_timeout=0.3, first_retry=0.02)


class Ears:
    """What a subscriber hears, and how often it was connected."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.connections = 0
        self.losses = 0
        self._changed = asyncio.Event()

    def hear(self, channel: str, data: bytes) -> None:
        self.heard.append((channel, data))
        self._changed.set()

    def connected(self) -> None:
        self.connections += 1
        self._changed.set()

    async def pause(self, seconds: float) -> None:
        """Sleep, as a subscriber does that has lost its connection."""
        self.losses += 1
        self._changed.set()
        await asyncio.sleep(seconds)

    async def until(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not enough():
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def subscribing(url: str) -> AsyncGenerator[tuple[Subscriber, Ears]]:
    ears = Ears()
    subscriber = Subscriber(
        url,
        on_message=ears.hear,
        on_connected=ears.connected,
        settings=QUICK,
        sleep=ears.pause,
    )
    subscriber.start()
    try:
        yield subscriber, ears
    finally:
        await subscriber.stop()


def publish(url: str, *messages: tuple[str, bytes]) -> list[int]:
    """Publish and say how many heard each: zero once a channel is left."""
    with open_redis(url) as redis:
        return [int(redis.publish(channel, data)) for channel, data in messages]  # pyright: ignore[reportUnknownMemberType]  # untyped


def test_a_channel_is_heard_from_its_acknowledgement_on(redis_url: str) -> None:
    async def scenario() -> None:
        async with subscribing(redis_url) as (subscriber, ears):
            await subscriber.subscribe("one")
            assert await asyncio.to_thread(publish, redis_url, ("one", b"1")) == [1]
            await ears.until(lambda: ears.heard == [("one", b"1")])
            assert subscriber.connected

    asyncio.run(scenario())


def test_many_channels_share_one_connection(redis_url: str) -> None:
    async def scenario() -> None:
        async with subscribing(redis_url) as (subscriber, ears):
            names = [f"channel-{number}" for number in range(200)]
            await asyncio.gather(*(subscriber.subscribe(name) for name in names))
            await asyncio.to_thread(publish, redis_url, *((name, b"x") for name in names))
            await ears.until(lambda: len(ears.heard) == 200)
            with open_redis(redis_url) as redis:
                clients = cast(Any, redis).client_list(_type="pubsub")
            assert len(clients) == 1

    asyncio.run(scenario())


def test_a_channel_that_was_left_is_silent(redis_url: str) -> None:
    async def scenario() -> None:
        async with subscribing(redis_url) as (subscriber, _):
            await subscriber.subscribe("left")
            subscriber.unsubscribe("left")
            await subscriber.subscribe("after")  # acknowledged behind the other
            assert await asyncio.to_thread(publish, redis_url, ("left", b"x")) == [0]

    asyncio.run(scenario())


def test_leaving_and_coming_back_at_once_ends_up_subscribed(redis_url: str) -> None:
    async def scenario() -> None:
        async with subscribing(redis_url) as (subscriber, ears):
            for _ in range(20):
                ears.heard.clear()
                await subscriber.subscribe("door")
                subscriber.unsubscribe("door")
                await subscriber.subscribe("door")
                assert await asyncio.to_thread(publish, redis_url, ("door", b"x")) == [1]
                await ears.until(lambda: len(ears.heard) == 1)
                subscriber.unsubscribe("door")

    asyncio.run(scenario())


def test_after_a_restart_all_channels_are_back_before_it_says_so(mortal: Valkey) -> None:
    async def scenario() -> None:
        async with subscribing(mortal.url) as (subscriber, ears):
            await subscriber.subscribe("one")
            await subscriber.subscribe("two")
            before = ears.connections
            kill(mortal)
            mortal.start()
            await ears.until(lambda: ears.connections == before + 1)
            messages = (("one", b"1"), ("two", b"2"))
            assert await asyncio.to_thread(publish, mortal.url, *messages) == [1, 1]
            await ears.until(lambda: len(ears.heard) == 2)

    asyncio.run(scenario())


def test_who_subscribes_while_redis_is_away_is_answered_when_it_is_back(mortal: Valkey) -> None:
    async def scenario() -> None:
        async with subscribing(mortal.url) as (subscriber, ears):
            await ears.until(lambda: ears.connections == 1)
            kill(mortal)
            waiting = asyncio.create_task(subscriber.subscribe("late"))
            done, _ = await asyncio.wait([waiting], timeout=0.1)
            assert not done
            mortal.start()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await waiting
            assert await asyncio.to_thread(publish, mortal.url, ("late", b"x")) == [1]

    asyncio.run(scenario())


def test_a_server_that_no_longer_answers_is_left_within_a_moment(mortal: Valkey) -> None:
    async def scenario() -> None:
        async with subscribing(mortal.url) as (subscriber, ears):
            await subscriber.subscribe("one")
            os.kill(mortal.pid, signal.SIGSTOP)
            try:
                await ears.until(lambda: ears.losses == 1)
                assert not subscriber.connected
            finally:
                os.kill(mortal.pid, signal.SIGCONT)
            await ears.until(lambda: ears.connections >= 2 and subscriber.connected)
            assert await asyncio.to_thread(publish, mortal.url, ("one", b"x")) == [1]

    asyncio.run(scenario())


def test_a_quiet_connection_that_answers_is_kept(mortal: Valkey) -> None:
    async def scenario() -> None:
        async with subscribing(mortal.url) as (subscriber, ears):
            await subscriber.subscribe("quiet")
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await asyncio.to_thread(pings, mortal.url) < 3:
                    pass  # asking takes a round trip each time
            assert (ears.connections, ears.losses) == (1, 0)

    asyncio.run(scenario())


def pings(url: str) -> int:
    with open_redis(url) as redis:
        statistics = cast(Any, redis).info("commandstats")
    return int(statistics.get("cmdstat_ping", {"calls": 0})["calls"])
