"""Asks an adapter over real sockets and keeps what came of it."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pydantic import JsonValue, SecretStr

from shared.chats.model.parts import Part
from shared.config.catalog import ProviderConfig
from shared.config.dialect import Dialect
from tests.unit.providers.prompts import prompt
from workers.providers.anthropic.client import Anthropic
from workers.providers.http.connections import CONNECT_SECONDS, READ_SECONDS
from workers.providers.openai_chat.client import OpenAIChat
from workers.providers.protocol import PartDone, Provider, Request, StreamEnd, StreamEvent

KEY = "sk-fake-secret"


def script(*steps: Mapping[str, JsonValue], **rest: JsonValue) -> str:
    return json.dumps({"script": steps, **rest})


@dataclass(frozen=True, slots=True)
class Speaker:
    """Makes the adapter of one dialect for the fake server."""

    dialect: Dialect
    url: str

    def make(
        self,
        *,
        key: str | None = KEY,
        url: str | None = None,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> Provider:
        adapter = Anthropic if self.dialect is Dialect.ANTHROPIC else OpenAIChat
        return adapter(
            config(self.dialect, url or self.url, key),
            connect_seconds=connect_seconds,
            read_seconds=read_seconds,
        )

    def answer(self, message: str) -> list[StreamEvent]:
        """Ask once, on a loop and with connections of its own."""
        return ask(self.make, prompt(message))[0]


def config(dialect: Dialect, base_url: str, key: str | None = KEY) -> ProviderConfig:
    secret = SecretStr(key) if key else None
    return ProviderConfig(name="p", dialect=dialect, base_url=base_url, api_key=secret)


@asynccontextmanager
async def opened(provider: Provider) -> AsyncGenerator[Provider, None]:
    try:
        yield provider
    finally:
        await provider.aclose()


async def collect(provider: Provider, request: Request) -> list[StreamEvent]:
    return [event async for event in provider.stream(request)]


def ask(make: Callable[[], Provider], *requests: Request) -> list[list[StreamEvent]]:
    """Make a provider on a new loop and put the requests to it, one after the other."""

    async def run() -> list[list[StreamEvent]]:
        async with opened(make()) as provider:
            return [await collect(provider, request) for request in requests]

    return asyncio.run(run())


def parts_of(events: Sequence[StreamEvent]) -> list[Part]:
    return [event.part for event in events if isinstance(event, PartDone)]


def finish_of(events: Sequence[StreamEvent]) -> StreamEnd:
    last = events[-1]
    assert isinstance(last, StreamEnd)
    return last
