import asyncio
import socket
from uuid import uuid4

import pytest
from redis import Redis

from shared.chats.model.ids import ChatId
from shared.chats.model.lease import Episode
from shared.chats.model.messages import Role
from shared.chats.model.parts import TextPart
from shared.events.channels import parts_key
from shared.events.errors import BufferUnavailable
from shared.events.parts_buffer import read_episode, seal_episode
from shared.events.types import PartEntry
from shared.events.wire import ENTRY_FIELD, encode_entry
from shared.redis.connection import open_async_redis, open_pipeline, open_redis

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


def numbers(redis_url: str, chat_id: ChatId) -> list[int]:
    async def scenario() -> list[int]:
        async with open_async_redis(redis_url) as redis:
            return [entry.seq for entry in await read_episode(redis, chat_id, EPISODE)]

    return asyncio.run(scenario())


def test_what_a_dead_worker_had_said_is_assembled(redis_url: str) -> None:
    chat_id = ChatId(uuid4())
    with open_redis(redis_url) as redis:
        write(redis, chat_id, (1, 4, "partial "), (5, 5, "answer"))
        assert seal_episode(redis, chat_id, EPISODE) == (TextPart(text="partial answer"),)


def test_a_sealed_buffer_is_read_again_as_it_was(redis_url: str) -> None:
    chat_id = ChatId(uuid4())
    with open_redis(redis_url) as redis:
        write(redis, chat_id, (1, 1, "a"), (2, 2, "b"))
        said = seal_episode(redis, chat_id, EPISODE)
        assert seal_episode(redis, chat_id, EPISODE) == said == (TextPart(text="ab"),)
    assert numbers(redis_url, chat_id) == [1, 2]


def test_a_seal_on_nothing_goes_away_in_time(redis_url: str) -> None:
    chat_id = ChatId(uuid4())
    with open_redis(redis_url) as redis:
        assert seal_episode(redis, chat_id, EPISODE) == ()
        assert 890 < int(str(redis.ttl(parts_key(chat_id, EPISODE)))) <= 900
    assert numbers(redis_url, chat_id) == []


def test_only_the_run_without_a_gap_counts(redis_url: str) -> None:
    chat_id = ChatId(uuid4())
    with open_redis(redis_url) as redis:
        write(redis, chat_id, (1, 1, "a"), (3, 3, "c"))
        assert numbers(redis_url, chat_id) == [1]
        assert seal_episode(redis, chat_id, EPISODE) == (TextPart(text="a"),)


def test_a_buffer_without_its_beginning_is_nothing(redis_url: str) -> None:
    chat_id = ChatId(uuid4())
    with open_redis(redis_url) as redis:
        write(redis, chat_id, (2, 2, "b"))
        assert numbers(redis_url, chat_id) == []
        assert seal_episode(redis, chat_id, EPISODE) == ()


def test_an_entry_that_can_not_be_read_ends_the_run(redis_url: str) -> None:
    chat_id = ChatId(uuid4())
    with open_redis(redis_url) as redis:
        write(redis, chat_id, (1, 1, "a"))
        pipeline = open_pipeline(redis)
        pipeline.execute_command("XADD", parts_key(chat_id, EPISODE), "2-0", ENTRY_FIELD, b"?")
        pipeline.execute()
        write(redis, chat_id, (3, 3, "c"))
        assert numbers(redis_url, chat_id) == [1]
        assert seal_episode(redis, chat_id, EPISODE) == (TextPart(text="a"),)


def test_merged_entries_are_read_as_they_are(redis_url: str) -> None:
    chat_id = ChatId(uuid4())
    with open_redis(redis_url) as redis:
        write(redis, chat_id, (1, 1, "a"), (2, 5, "bcde"))
    assert numbers(redis_url, chat_id) == [1, 5]


def test_a_redis_that_is_away_is_not_an_empty_buffer() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        redis = open_redis(f"redis://127.0.0.1:{unused.getsockname()[1]}/0")
        with pytest.raises(BufferUnavailable):
            seal_episode(redis, ChatId(uuid4()), EPISODE)
