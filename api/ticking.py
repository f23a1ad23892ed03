"""Watching by the clock alone."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from shared.chats.types import ChatId


class _Ticks:
    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.5))


class Ticking:
    """A placeholder until the hub of streams is wired in."""

    @asynccontextmanager
    async def watch(self, chat_id: ChatId) -> AsyncGenerator[_Ticks]:
        """Tick."""
        del chat_id
        yield _Ticks()
