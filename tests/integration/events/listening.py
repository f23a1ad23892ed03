"""What tests need to hear what is published, and to wait for it."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from local.databases.valkey import Valkey
from shared.chats.model.ids import ChatId
from shared.events.channels import chat_channel
from shared.events.types import ChatNote, PartBatch, PartEntry
from shared.events.wire import decode_note
from shared.redis.connection import open_async_redis

PATIENCE_SECONDS = 10.0


class Heard:
    """The notes of one chat, in the order in which they arrived."""

    def __init__(self) -> None:
        self.notes: list[ChatNote] = []
        self._more = asyncio.Event()

    def hear(self, note: ChatNote) -> None:
        self.notes.append(note)
        self._more.set()

    @property
    def entries(self) -> list[PartEntry]:
        return [one for note in self.notes if isinstance(note, PartBatch) for one in note.entries]

    async def until(self, enough: Callable[["Heard"], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not enough(self):
                self._more.clear()
                await self._more.wait()


@asynccontextmanager
async def listening(url: str, chat_id: ChatId) -> AsyncGenerator[Heard]:
    redis = open_async_redis(url)
    pubsub = cast(Any, redis).pubsub()  # which redis leaves untyped
    await pubsub.subscribe(chat_channel(chat_id))
    heard, ready = Heard(), asyncio.Event()

    async def pump() -> None:
        async for message in pubsub.listen():
            if message["type"] == "subscribe":
                ready.set()
            else:
                heard.hear(decode_note(message["data"]))

    task = asyncio.create_task(pump())
    await ready.wait()
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.wait([task])
        await pubsub.aclose()
        await redis.aclose()


def kill(server: Valkey) -> None:
    """Kill the server, so that all it knows is lost; `server.start()` brings it back empty."""
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
