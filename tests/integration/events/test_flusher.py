import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

from redis.asyncio import Redis as AsyncRedis

from local.databases.valkey import Valkey
from shared.chats.model.ids import ChatId
from shared.chats.model.lease import Episode
from shared.chats.model.messages import Role
from shared.chats.model.parts import ReasoningPart, TextPart
from shared.events.channels import parts_key
from shared.events.merge import assemble
from shared.events.parts_buffer import read_episode
from shared.events.types import PartEntry
from shared.metrics.metrics import Metrics
from shared.redis.connection import open_async_pipeline, open_async_redis
from tests.integration.events.listening import Heard, kill, listening
from workers.streaming.episode import Cap
from workers.streaming.flusher import Flusher
from workers.streaming.store import FlushSettings
from workers.worker_metrics import WorkerMetrics

EPISODE = Episode(history_version=3, attempt=1)
SAID = Role.ASSISTANT
LONG = 3600.0
"""A tick that no test lives to see: what goes out, goes out at once."""


class Dropped(WorkerMetrics):
    def __init__(self) -> None:
        super().__init__(Metrics.noop(), busy_slots=lambda: 0)
        self.count = 0

    def stream_buffer_dropped(self, count: int) -> None:
        self.count += count


@dataclass(slots=True)
class Bench:
    flusher: Flusher
    redis: AsyncRedis
    chat_id: ChatId
    dropped: Dropped

    async def buffered(self) -> list[PartEntry]:
        return list(await read_episode(self.redis, self.chat_id, EPISODE))

    async def limit_memory(self, bytes_: int) -> None:
        pipeline = open_async_pipeline(self.redis)
        pipeline.execute_command("CONFIG", "SET", "maxmemory", bytes_)
        await pipeline.execute(raise_on_error=True)

    async def ttl(self) -> int:
        return await self.redis.ttl(parts_key(self.chat_id, EPISODE))


@asynccontextmanager
async def flushing(url: str, settings: FlushSettings | None = None) -> AsyncGenerator[Bench]:
    redis, dropped = open_async_redis(url), Dropped()
    flusher = Flusher(redis, metrics=dropped, settings=settings)
    flusher.start()
    try:
        yield Bench(flusher=flusher, redis=redis, chat_id=ChatId(uuid4()), dropped=dropped)
    finally:
        await flusher.stop()
        await redis.aclose()


def text(value: str) -> TextPart:
    return TextPart(text=value)


def _heard(heard: Heard, count: int) -> bool:
    return len(heard.entries) == count


def test_the_first_delta_leaves_at_once_and_the_next_ones_wait_for_the_tick(
    redis_url: str,
) -> None:
    async def scenario() -> None:
        async with flushing(redis_url, FlushSettings(tick=LONG)) as bench:
            async with listening(redis_url, bench.chat_id) as heard:
                writer = bench.flusher.open(bench.chat_id, EPISODE)
                writer.add(0, SAID, text("He"))
                await heard.until(lambda one: len(one.entries) == 1)
                writer.add(0, SAID, text("l"))
                writer.add(0, SAID, text("lo"))
                assert await writer.flush(timeout=5)
                await heard.until(lambda one: len(one.entries) == 2)
                assert [one.delta for one in heard.entries] == [text("He"), text("llo")]
                assert await bench.buffered() == heard.entries

    asyncio.run(scenario())


def test_a_tick_takes_what_waits_without_being_asked(redis_url: str) -> None:
    async def scenario() -> None:
        async with flushing(redis_url) as bench:
            async with listening(redis_url, bench.chat_id) as heard:
                writer = bench.flusher.open(bench.chat_id, EPISODE)
                for said in range(1, 4):
                    writer.add(0, SAID, text("a"))
                    await heard.until(partial(_heard, count=said))

    asyncio.run(scenario())


def test_all_chats_share_the_flush_and_keep_their_own_parts(redis_url: str) -> None:
    async def scenario() -> None:
        async with flushing(redis_url) as bench:
            chats = [ChatId(uuid4()) for _ in range(50)]
            writers = [bench.flusher.open(chat, EPISODE) for chat in chats]
            for round_ in range(3):
                for number, writer in enumerate(writers):
                    writer.add(0, SAID, text(f"{number}.{round_} "))
            assert all([await writer.flush(timeout=5) for writer in writers])
            for number, chat in enumerate(chats):
                entries = await read_episode(bench.redis, chat, EPISODE)
                assert assemble(entries) == (text(f"{number}.0 {number}.1 {number}.2 "),)

    asyncio.run(scenario())


def test_a_finished_part_adds_only_its_metadata_to_text_that_went_out(redis_url: str) -> None:
    async def scenario() -> None:
        async with flushing(redis_url) as bench:
            writer = bench.flusher.open(bench.chat_id, EPISODE)
            whole = ReasoningPart(text="thinking", provider_metadata={"signature": "s"})
            writer.add(0, SAID, ReasoningPart(text="thinking"))
            writer.done(0, SAID, whole)
            writer.done(1, SAID, text("never streamed"))
            assert await writer.flush(timeout=5)
            assert assemble(await bench.buffered()) == (whole, text("never streamed"))

    asyncio.run(scenario())


def test_the_buffer_outlives_its_worker_and_a_closed_one_goes_soon(redis_url: str) -> None:
    async def scenario() -> None:
        async with flushing(redis_url) as bench:
            with bench.flusher.open(bench.chat_id, EPISODE) as writer:
                writer.add(0, SAID, text("a"))
                assert await writer.flush(timeout=5)
                assert 890 < await bench.ttl() <= 900
            writer.add(0, SAID, text("too late"))
            await bench.flusher.stop()
            assert 50 < await bench.ttl() <= 60
            assert assemble(await bench.buffered()) == (text("a"),)

    asyncio.run(scenario())


def test_a_discarded_attempt_leaves_an_empty_buffer_and_says_nothing_more(
    redis_url: str,
) -> None:
    async def scenario() -> None:
        async with flushing(redis_url, FlushSettings(tick=LONG)) as bench:
            async with listening(redis_url, bench.chat_id) as heard:
                writer = bench.flusher.open(bench.chat_id, EPISODE)
                writer.add(0, SAID, text("a"))
                await heard.until(lambda one: bool(one.entries))
                writer.add(0, SAID, text("b"))
                writer.discard()
                writer.add(0, SAID, text("c"))
                await bench.flusher.stop()
                assert await bench.ttl() == -2
                after = bench.flusher.open(bench.chat_id, Episode(history_version=3, attempt=2))
                after.add(0, SAID, text("d"))
                bench.flusher.start()
                assert await after.flush(timeout=5)
                await heard.until(lambda one: len(one.entries) == 2)
                assert [one.delta for one in heard.entries] == [text("a"), text("d")]

    asyncio.run(scenario())


def test_a_buffer_that_vanished_is_made_anew(redis_url: str) -> None:
    async def scenario() -> None:
        async with flushing(redis_url) as bench:
            writer = bench.flusher.open(bench.chat_id, EPISODE)
            for value in ("a", "b"):
                writer.add(0, SAID, text(value))
                assert await writer.flush(timeout=5)
            await bench.redis.delete(parts_key(bench.chat_id, EPISODE))
            async with listening(redis_url, bench.chat_id) as heard:
                writer.add(0, SAID, text("c"))
                assert await writer.flush(timeout=5)
                writer.add(0, SAID, text("d"))
                assert await writer.flush(timeout=5)
                await heard.until(lambda one: len(one.entries) == 2)
                assert [entry.seq for entry in heard.entries] == [3, 4]
            assert [(one.first_seq, one.seq) for one in await bench.buffered()] == [(1, 3), (4, 4)]

    asyncio.run(scenario())


def test_an_idle_episode_notices_that_its_buffer_vanished(redis_url: str) -> None:
    async def scenario() -> None:
        async with flushing(redis_url, FlushSettings(renewal=0.02)) as bench:
            writer = bench.flusher.open(bench.chat_id, EPISODE)
            writer.add(0, SAID, text("a"))
            assert await writer.flush(timeout=5)
            await bench.redis.delete(parts_key(bench.chat_id, EPISODE))
            async with asyncio.timeout(10):
                while not await bench.buffered():
                    pass  # asking takes a round trip each time

    asyncio.run(scenario())


def test_a_killed_server_loses_nothing_of_a_running_episode(mortal: Valkey) -> None:
    async def scenario() -> None:
        async with flushing(mortal.url) as bench:
            writer = bench.flusher.open(bench.chat_id, EPISODE)
            other = bench.flusher.open(ChatId(uuid4()), EPISODE)
            for one in (writer, other):
                one.add(0, SAID, text("before "))
                assert await one.flush(timeout=5)
            kill(mortal)
            writer.add(0, SAID, text("while "))
            assert not await writer.flush(timeout=0.3)
            mortal.start()
            async with listening(mortal.url, bench.chat_id) as heard:
                assert await writer.flush(timeout=10)
                writer.add(0, SAID, text("after"))
                assert await writer.flush(timeout=10)
                await heard.until(lambda one: bool(one.entries))
            assert assemble(await bench.buffered()) == (text("before while after"),)
            # The other one wrote nothing meanwhile, and its buffer is back all the same.
            assert await other.flush(timeout=10)
            [part] = assemble(await read_episode(bench.redis, other.chat_id, EPISODE))
            assert part == text("before ")

    asyncio.run(scenario())


def test_a_full_buffer_keeps_its_beginning_and_everything_is_published(redis_url: str) -> None:
    settings = FlushSettings(cap=Cap(entries=2))

    async def scenario() -> None:
        async with flushing(redis_url, settings) as bench:
            async with listening(redis_url, bench.chat_id) as heard:
                writer = bench.flusher.open(bench.chat_id, EPISODE)
                for number in range(4):
                    writer.add(number, SAID, text("x"))
                    assert await writer.flush(timeout=5)
                await heard.until(lambda one: len(one.entries) == 4)
            assert [one.seq for one in await bench.buffered()] == [1, 2]
            assert bench.dropped.count == 2

    asyncio.run(scenario())


def test_a_full_server_publishes_still_and_deletes_nothing(mortal: Valkey) -> None:
    async def scenario() -> None:
        async with flushing(mortal.url, FlushSettings(last_retry=0.05, renewal=LONG)) as bench:
            async with listening(mortal.url, bench.chat_id) as heard:
                writer = bench.flusher.open(bench.chat_id, EPISODE)
                writer.add(0, SAID, text("a"))
                assert await writer.flush(timeout=5)
                await bench.limit_memory(1)
                for value in ("b", "c"):
                    writer.add(0, SAID, text(value))
                    assert await writer.flush(timeout=5)
                await heard.until(partial(_heard, count=3))
                assert assemble(await bench.buffered()) == (text("a"),)
                await bench.limit_memory(0)
                async with asyncio.timeout(10):
                    while assemble(await bench.buffered()) != (text("abc"),):
                        pass  # asking takes a round trip each time

    asyncio.run(scenario())
