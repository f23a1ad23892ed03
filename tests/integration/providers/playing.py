"""Asks an adapter over real sockets and keeps what came of it."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from pydantic import JsonValue, SecretStr

from shared.chats.types import Part
from shared.config.catalog import ProviderConfig
from shared.config.dialect import Dialect
from workers.providers.base import Finish, PartDone, Provider, Request, StreamEvent

KEY = "sk-fake-secret"


def script(*steps: Mapping[str, JsonValue], **rest: JsonValue) -> str:
    return json.dumps({"script": steps, **rest})


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


def finish_of(events: Sequence[StreamEvent]) -> Finish:
    last = events[-1]
    assert isinstance(last, Finish)
    return last
