"""Reads for streams: database and buffer, on a few threads of their own."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from redis.asyncio import Redis as AsyncRedis
from sqlalchemy import Connection, Engine

from shared.chats.model.ids import ChatId
from shared.chats.model.lease import Episode
from shared.chats.reads.stream import Since, StreamView, read_versions, read_view
from shared.events.parts_buffer import read_episode
from shared.events.types import PartEntry

_T = TypeVar("_T")


class StreamSource:
    """Where streams read from. A connection is held for one statement, never for a client.

    Wants an engine of its own, as large as its `threads`: streams then never wait behind POSTs.
    """

    def __init__(self, engine: Engine, redis: AsyncRedis, *, threads: int = 8) -> None:
        """Take the database and a Redis client of this loop; the caller closes both."""
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._redis = redis
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="stream-read")

    async def view(self, chat_id: ChatId, since: Since) -> StreamView | None:
        """Return the chat and what is newer; None when there is no such chat."""
        return await self._run(lambda connection: read_view(connection, chat_id, since))

    async def versions(self, chat_ids: Sequence[ChatId]) -> Mapping[ChatId, int]:
        """Return the snapshot versions of the chats that exist."""
        return await self._run(lambda connection: read_versions(connection, chat_ids))

    async def parts(self, chat_id: ChatId, episode: Episode) -> Sequence[PartEntry]:
        """Return the buffer of an episode, from 1 on. Raises `BufferUnavailable`."""
        return await read_episode(self._redis, chat_id, episode)

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, read: Callable[[Connection], _T]) -> _T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._read, read)

    def _read(self, read: Callable[[Connection], _T]) -> _T:
        with self._engine.connect() as connection:
            return read(connection)
