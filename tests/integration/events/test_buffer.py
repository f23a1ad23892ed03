import asyncio
import socket
from uuid import uuid4

import pytest
from redis import Redis

from shared.chats.types import ChatId, Episode, Role, TextPart
from shared.events.buffer import read_episode, read_episode_async, recover_parts
from shared.events.channels import parts_key
from shared.events.connection import open_async_redis, open_pipeline, open_redis
from shared.events.errors import BufferUnavailable
from shared.events.types import PartEntry
from shared.events.wire import ENTRY_FIELD, encode_entry

EPISODE = Episode(history_version=9, attempt=0)


def write(redis: Redis, chat_id: ChatId, *written: tuple[int, int, str]) -> None:
    pipeline = open_pipeline(redis)
    for first, last, text in written:
        entry = PartEntry(
            seq=last, first_seq=first, index=0, role=Role.ASSISTANT, delta=TextPart(text=text)
        )
        key, data = parts_key(chat_id, EPISODE), encode_entry(entry)
        pipeline.execute_command("XADD", key, f"{last}-0", ENTRY_FIELD, data)
    pipeline.execute()


def test_what_a_dead_worker_had_said_is_assembled(redis_url: str) -> None:
    chat_id = ChatId(uuid4())
    with open_redis(redis_url) as redis:
        write(redis, chat_id, (1, 4, "partial "), (5, 5, "answer"))
        assert recover_parts(redis, chat_id, EPISODE) == (TextPart(text="partial answer"),)


def test_only_the_run_without_a_gap_counts(redis_url: str) -> None:
    chat_id = ChatId(uuid4())
    with open_redis(redis_url) as redis:
        write(redis, chat_id, (1, 1, "a"), (3, 3, "c"))
        assert [entry.seq for entry in read_episode(redis, chat_id, EPISODE)] == [1]


def test_a_buffer_without_its_beginning_is_nothing(redis_url: str) -> None:
    chat_id = ChatId(uuid4())
    with open_redis(redis_url) as redis:
        write(redis, chat_id, (2, 2, "b"))
        assert recover_parts(redis, chat_id, EPISODE) == ()


def test_an_entry_that_can_not_be_read_ends_the_run(redis_url: str) -> None:
    chat_id = ChatId(uuid4())
    with open_redis(redis_url) as redis:
        write(redis, chat_id, (1, 1, "a"))
        pipeline = open_pipeline(redis)
        pipeline.execute_command("XADD", parts_key(chat_id, EPISODE), "2-0", ENTRY_FIELD, b"?")
        pipeline.execute()
        write(redis, chat_id, (3, 3, "c"))
        assert [entry.seq for entry in read_episode(redis, chat_id, EPISODE)] == [1]


def test_both_ways_of_reading_find_the_same(redis_url: str) -> None:
    chat_id = ChatId(uuid4())

    async def scenario() -> tuple[PartEntry, ...]:
        async with open_async_redis(redis_url) as redis:
            return await read_episode_async(redis, chat_id, EPISODE)

    with open_redis(redis_url) as redis:
        write(redis, chat_id, (1, 1, "a"), (2, 5, "bcde"))
        found = read_episode(redis, chat_id, EPISODE)
    assert asyncio.run(scenario()) == found
    assert [entry.seq for entry in found] == [1, 5]


def test_a_redis_that_is_away_is_not_an_empty_buffer() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        redis = open_redis(f"redis://127.0.0.1:{unused.getsockname()[1]}/0")
        with pytest.raises(BufferUnavailable):
            recover_parts(redis, ChatId(uuid4()), EPISODE)
