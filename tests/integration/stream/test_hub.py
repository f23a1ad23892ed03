"""The hub with a real database and a real Redis, where either is away or somebody leaves."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from api.stream.client import StreamRequest
from api.stream.cursor import parse_cursor
from api.stream.errors import StreamUnavailable
from api.stream.hub import Hub, HubSettings, Stream
from api.stream.source import StreamSource
from local.databases.valkey import Valkey
from shared.chats.model.chat import Chat
from shared.chats.model.errors import ChatNotFound
from shared.chats.model.ids import ChatId
from shared.db.engine import make_engine
from shared.events.subscriber import Subscriber, SubscriberSettings
from shared.metrics.metrics import Metrics
from shared.redis.connection import open_async_pipeline, open_async_redis
from tests.integration.events.listening import PATIENCE_SECONDS, kill
from tests.integration.stream.driving import drive
from tests.unit.stream.reading import Sent, parse

QUICK = HubSettings(
    client_buffer=1000,
    heartbeat=3600,
    compare=3600,
    compare_alone=3600,
    acknowledgement=0.1,
    first_retry=0.01,
)


@dataclass(slots=True)
class Bench:
    hub: Hub
    url: str
    registry: CollectorRegistry

    async def join(self, chat_id: ChatId, *, after: str | None = None) -> Stream:
        place = None if after is None else parse_cursor(after)
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.hub.join(chat_id, StreamRequest(may_read=anybody, place=place))

    def subscribers(self) -> float | None:
        return self.registry.get_sample_value("stepwell_stream_subscribers")

    async def channels(self) -> int:
        async with open_async_redis(self.url) as redis:
            pipeline = open_async_pipeline(redis)
            pipeline.execute_command("PUBSUB", "NUMPAT")
            pipeline.execute_command("PUBSUB", "CHANNELS")
            _, channels = await pipeline.execute(raise_on_error=True)
        assert isinstance(channels, list)
        return len(channels)  # pyright: ignore[reportUnknownArgumentType]  # of whatever


def anybody(_: Chat) -> bool:
    return True


@asynccontextmanager
async def hubbing(engine: Engine, url: str) -> AsyncGenerator[Bench]:
    redis, registry = open_async_redis(url), CollectorRegistry()
    reader = StreamSource(engine, redis, threads=2)
    hub = Hub(reads=reader, metrics=Metrics(registry), settings=QUICK)
    times = SubscriberSettings(first_retry=0.01, last_retry=0.05, connect_timeout=0.2)
    subscriber = Subscriber(url, on_message=hub.hear, on_connected=hub.resync, settings=times)
    subscriber.start()
    hub.start(subscriber)
    try:
        yield Bench(hub=hub, url=url, registry=registry)
    finally:
        await hub.stop()
        await subscriber.stop()
        reader.close()
        await redis.aclose()


async def events(stream: Stream) -> list[Sent]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return parse(await stream.take() or b"")


def test_events_are_there_before_a_stream_is_handed_over(engine: Engine, redis_url: str) -> None:
    chat = drive(engine)

    async def scenario() -> None:
        async with hubbing(engine, redis_url) as bench:
            stream = await bench.join(chat.id)
            assert [event.name for event in await events(stream)] == ["message", "title", "status"]
            assert bench.subscribers() == 1
            stream.close()
            stream.close()
            assert bench.subscribers() == 0

    asyncio.run(scenario())


def test_a_channel_is_left_with_its_last_client_and_taken_again_by_the_next(
    engine: Engine, redis_url: str
) -> None:
    chat = drive(engine)

    async def scenario() -> None:
        async with hubbing(engine, redis_url) as bench:
            for _ in range(3):
                first, second = await bench.join(chat.id), await bench.join(chat.id)
                first.close()
                assert await bench.channels() == 1
                second.close()
                other = await bench.join(drive(engine).id)  # acknowledged behind the leaving
                assert await bench.channels() == 1
                other.close()

    asyncio.run(scenario())


def test_who_is_refused_leaves_nothing_behind(engine: Engine, redis_url: str) -> None:
    gone, here = drive(engine), drive(engine)
    gone.delete()

    async def scenario() -> None:
        async with hubbing(engine, redis_url) as bench:
            with pytest.raises(ChatNotFound):
                await bench.join(gone.id)
            await bench.join(here.id)
            assert await bench.channels() == 1
            assert bench.subscribers() == 1

    asyncio.run(scenario())


def test_a_database_that_is_away_is_said_and_not_waited_for(redis_url: str) -> None:
    async def scenario(port: int) -> None:
        url = f"postgresql+psycopg://nobody:x@127.0.0.1:{port}/nowhere"
        engine = make_engine(url, pool_size=1, name="test")
        async with hubbing(engine, redis_url) as bench:
            with pytest.raises(StreamUnavailable):
                await bench.join(ChatId(uuid4()))
        engine.dispose()

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        asyncio.run(scenario(unused.getsockname()[1]))


def test_a_stream_opens_without_redis_and_is_read_again_when_it_is_back(
    engine: Engine, mortal: Valkey
) -> None:
    chat = drive(engine)
    kill(mortal)

    async def scenario() -> None:
        async with hubbing(engine, mortal.url) as bench:
            stream = await bench.join(chat.id)
            last = (await events(stream))[-1]
            assert last.name == "status"
            await asyncio.to_thread(chat.entitle, "nobody was told")
            mortal.start()
            assert [event.name for event in await events(stream)] == ["title"]

    asyncio.run(scenario())


def test_a_client_that_goes_while_it_waits_for_redis_leaves_nothing_behind(
    engine: Engine, mortal: Valkey
) -> None:
    chat, other = drive(engine), drive(engine)
    kill(mortal)

    async def scenario() -> None:
        async with hubbing(engine, mortal.url) as bench:
            joining = asyncio.create_task(bench.join(chat.id))
            await asyncio.sleep(0)
            joining.cancel()
            with pytest.raises(asyncio.CancelledError):
                await joining
            stream = await bench.join(other.id)
            await events(stream)
            await asyncio.to_thread(other.entitle, "a sign of life")
            mortal.start()
            await events(stream)
            assert await bench.channels() == 1

    asyncio.run(scenario())


def test_stopping_ends_every_stream_and_lets_nobody_in(engine: Engine, redis_url: str) -> None:
    chat = drive(engine)

    async def scenario() -> None:
        async with hubbing(engine, redis_url) as bench:
            stream = await bench.join(chat.id)
            await events(stream)
            await bench.hub.stop()
            assert await stream.take() is None
            with pytest.raises(StreamUnavailable):
                await bench.join(chat.id)

    asyncio.run(scenario())


def test_what_is_no_note_is_ignored(engine: Engine, redis_url: str) -> None:
    chat = drive(engine)

    async def scenario() -> None:
        async with hubbing(engine, redis_url) as bench:
            stream = await bench.join(chat.id)
            after = (await events(stream))[-1].id
            bench.hub.hear(f"stepwell:chat:{chat.id}", b"\xff")
            bench.hub.hear("stepwell:chat:nobody", b"{}")
            await asyncio.to_thread(chat.entitle, "still here")
            bench.hub.resync()
            assert [event.name for event in await events(stream)] == ["title"]
            again = await bench.join(chat.id, after=after)
            assert [event.name for event in await events(again)] == ["title"]

    asyncio.run(scenario())
