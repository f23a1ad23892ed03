"""Reads an episode's parts back: for who resumes a stream, and for who recovers a dead step."""

from collections.abc import Iterator
from typing import cast

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from shared.chats.types import ChatId, Episode, Part
from shared.events.channels import parts_key
from shared.events.connection import REDIS_ERRORS, open_async_pipeline, open_pipeline
from shared.events.errors import BufferUnavailable
from shared.events.merge import assemble, contiguous
from shared.events.types import PartEntry
from shared.events.wire import ENTRY_FIELD, UnreadableNote, decode_entry

_Rows = list[tuple[bytes, dict[bytes, bytes] | None]]


def recover_parts(redis: Redis, chat_id: ChatId, episode: Episode) -> tuple[Part, ...]:
    """Return what was said in an episode as far as its buffer goes without a gap, else nothing.

    For the recovery of a chat whose worker died: never call it while a row is locked. Raises
    `BufferUnavailable`.
    """
    return assemble(read_episode(redis, chat_id, episode))


def read_episode(redis: Redis, chat_id: ChatId, episode: Episode) -> tuple[PartEntry, ...]:
    """Return the entries from number 1 on without a gap. Raises `BufferUnavailable`."""
    try:
        pipeline = open_pipeline(redis)
        pipeline.execute_command("XRANGE", parts_key(chat_id, episode), "-", "+")
        [rows] = pipeline.execute()
    except REDIS_ERRORS as error:
        raise BufferUnavailable(f"the parts of {episode!r} can't be read: {error!r}") from error
    return contiguous(_entries(cast(_Rows, rows)))


async def read_episode_async(
    redis: AsyncRedis, chat_id: ChatId, episode: Episode
) -> tuple[PartEntry, ...]:
    """Return the entries from number 1 on without a gap. Raises `BufferUnavailable`."""
    try:
        pipeline = open_async_pipeline(redis)
        pipeline.execute_command("XRANGE", parts_key(chat_id, episode), "-", "+")
        [rows] = await pipeline.execute(raise_on_error=True)
    except REDIS_ERRORS as error:
        raise BufferUnavailable(f"the parts of {episode!r} can't be read: {error!r}") from error
    return contiguous(_entries(cast(_Rows, rows)))


def _entries(rows: _Rows) -> Iterator[PartEntry]:
    for data in _payloads(rows):
        try:
            yield decode_entry(data)
        except UnreadableNote:
            return  # what comes behind it is not contiguous any more


def _payloads(rows: _Rows) -> Iterator[bytes]:
    for _, fields in rows:
        if fields is not None and ENTRY_FIELD in fields:
            yield fields[ENTRY_FIELD]
