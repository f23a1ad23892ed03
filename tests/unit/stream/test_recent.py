"""What bridges the time that a read takes: the newest parts, and no older ones."""

import asyncio

import pytest

from api.stream.client import GAP_DELAYS
from api.stream.feed import RECENT_SECONDS
from tests.unit.stream.process import Process, take
from tests.unit.stream.watching import speaking


async def joined_in(process: Process, seconds: float) -> list[str]:
    """Return what a client gets whose read takes so long, a part every second."""
    client = process.join()
    process.start_read()
    for _ in range(round(seconds)):
        process.clock.now += 1
        process.world.say()
        process.hear()
    process.end_read()
    return [event.name for event in await take(client)]


def test_parts_that_came_during_a_slow_read_go_right_behind_it() -> None:
    world = speaking()
    got = asyncio.run(joined_in(Process(world), RECENT_SECONDS))
    assert got.count("message_part") == len(world.buffer)


def test_parts_older_than_any_read_are_left_to_the_buffer() -> None:
    async def scenario() -> None:
        world = speaking()
        process = Process(world)
        got = await joined_in(process, 2 * RECENT_SECONDS + 3)
        assert got.count("message_part") == 1
        [client] = process.watch.clients
        more = await process.settle(client)
        assert len(more) == len(world.buffer) - 1
        assert process.clock.now == pytest.approx(2 * RECENT_SECONDS + 3 + GAP_DELAYS[0])

    asyncio.run(scenario())


def test_a_new_attempt_is_not_forgotten_with_the_numbers_of_the_one_before() -> None:
    async def scenario() -> None:
        world = speaking()
        process = Process(world)
        await joined_in(process, RECENT_SECONDS + 2)
        world.lose()
        world.begin()
        [first] = process.watch.clients
        await process.settle(first)
        process.clock.now += RECENT_SECONDS - 3
        got = await joined_in(process, 4)
        assert got.count("message_part") == len(world.buffer) == 4

    asyncio.run(scenario())
