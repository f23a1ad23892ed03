"""A client that watches a chat, and the loop that it does so on: for the tests of the watch."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from api.stream.client import Client, StreamRequest
from tests.unit.stream.memory_chat import MemoryChat
from tests.unit.stream.process import Process
from tests.unit.stream.reading import Reading, Sent

Scenario = Callable[[], Coroutine[Any, Any, None]]


def run(scenario: Scenario) -> None:
    """Run it on a loop of its own."""
    asyncio.run(scenario())


def names(events: list[Sent]) -> list[str]:
    """Return the names of events."""
    return [event.name for event in events]


async def watching(
    world: MemoryChat, request: StreamRequest | None = None
) -> tuple[Process, Client, Reading]:
    """Join a chat, and take all that it has to tell."""
    process = Process(world)
    client = process.join(request)
    reading = Reading()
    await process.read_all(client, reading)
    return process, client, reading


def speaking(said: int = 1) -> MemoryChat:
    """Return a chat whose step has said so many parts."""
    world = MemoryChat()
    world.begin()
    for _ in range(said):
        world.say()
    return world
