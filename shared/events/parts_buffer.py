"""Reads an episode's parts back: for who resumes a stream, and for who ends a step in its place."""

from collections.abc import Iterator
from typing import Final, cast

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError

from shared.chats.model.ids import ChatId
from shared.chats.model.lease import Episode
from shared.chats.model.parts import Part
from shared.events.channels import parts_key
from shared.events.errors import BufferUnavailable
from shared.events.merge import assemble, contiguous
from shared.events.types import PartEntry
from shared.events.wire import (
    ENTRY_FIELD,
    SEAL_FIELD,
    SEAL_NUMBER,
    UnreadableNote,
    decode_entry,
)
from shared.redis.connection import REDIS_ERRORS, open_async_pipeline, open_pipeline

SEALED_SECONDS: Final = 900
"""A database that is away must not cost what was said: it is read again for every try."""

_Rows = list[tuple[bytes, dict[bytes, bytes] | None]]


def seal_episode(redis: Redis, chat_id: ChatId, episode: Episode) -> tuple[Part, ...]:
    """End an episode in place of its worker; return what was said in it, else nothing.

    That is as far as its buffer goes without a gap. From here on its worker, who may only have
    been stopped for a while, can't show anything that is not in it. Never call it while a row is
    locked. Raises `BufferUnavailable`.
    """
    key = parts_key(chat_id, episode)
    try:
        pipeline = open_pipeline(redis)
        # Refused where it is sealed already, and where Redis is full, which takes no part either.
        pipeline.execute_command("XADD", key, SEAL_NUMBER, SEAL_FIELD, b"")
        pipeline.execute_command("XRANGE", key, "-", "+")
        pipeline.execute_command("EXPIRE", key, SEALED_SECONDS)
        _, rows, _ = pipeline.execute(raise_on_error=False)
        if isinstance(rows, RedisError):
            raise rows
    except REDIS_ERRORS as error:
        raise BufferUnavailable(f"the parts of {episode!r} can't be read: {error!r}") from error
    return assemble(contiguous(_entries(cast(_Rows, rows))))


async def read_episode(
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
