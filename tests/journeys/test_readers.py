"""Many read one chat: all see the same, slow ones are cut off, and who leaves leaves nothing."""

import asyncio
import os
from pathlib import Path
from typing import Any, cast

import pytest

from shared.redis.connection import open_redis
from tests.journeys.conftest import MakeFleet
from tests.journeys.crowd import Reader, Watched, open_reader
from tests.journeys.fleet import Fleet, Process, eventually
from tests.journeys.replay import Replay
from tests.journeys.scripts import script, slowly

SEATS = [
    pytest.param(100, id="few"),
    pytest.param(1_000, id="many", marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
]
BUFFER = 20
BIG = "x" * 30_000
"""So much at once that what a slow reader does not read fills the kernel's buffers soon."""

LEFT_SECONDS = 60.0
LEAK_KIB = 8 * 1024

POOLS = 40
"""Connections to PostgreSQL and Redis that the process keeps once it needed them."""


async def _open(fleet: Fleet, path: str, readers: int) -> list[Reader]:
    return [await open_reader(fleet.apis[0], path, key=fleet.key) for _ in range(readers)]


async def _watch(fleet: Fleet, chat_id: str, readers: int) -> list[Watched]:
    """Let all come while the first turn says nothing; the second one is for them."""
    crowd = await _open(fleet, f"/v1/chats/{chat_id}/stream?until=idle", readers)
    await asyncio.to_thread(fleet.ask, "POST", f"/v1/chats/{chat_id}/interrupt")
    return await asyncio.gather(*(reader.watch() for reader in crowd))


async def _come_and_go(fleet: Fleet, path: str, readers: int) -> None:
    for reader in await _open(fleet, path, readers):
        reader.close()


@pytest.mark.parametrize("readers", SEATS)
def test_all_readers_of_a_chat_see_the_same(fleet: Fleet, readers: int) -> None:
    chat = fleet.new_chat(script({"stall": True}))
    fleet.send(chat["id"], script(slowly("tick ", 40, 0.05)))
    first, *others = asyncio.run(_watch(fleet, chat["id"], readers))
    fleet.check_agrees(chat["id"], first.replay)
    for watched in others:
        assert watched.complete
        assert watched.replay.faults == []
        assert watched.replay.messages == first.replay.messages
        assert watched.replay.previewed == first.replay.previewed
        assert watched.replay.status == "waiting"


def test_a_reader_that_is_too_slow_is_cut_off_and_can_come_back(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(STEPWELL_STREAM_CLIENT_BUFFER=str(BUFFER)).start()
    chat = fleet.new_chat(script(slowly(BIG, 150, 0.02)))
    path = f"/v1/chats/{chat['id']}/stream?until=idle"

    async def read_late() -> Watched:
        slow = await open_reader(fleet.apis[0], path, key=fleet.key)
        await asyncio.to_thread(eventually, lambda: _cut_off(fleet) == 1, "it is cut off")
        return await slow.watch()

    with fleet.stream(path) as stream:
        late = asyncio.run(read_late())
        quick = Replay().take_all(stream.wait_for_end())
    assert late.replay.status == "running"
    fleet.check_agrees(chat["id"], quick)

    async def come_back() -> Watched:
        last_id = late.replay.last_id
        return await (await open_reader(fleet.apis[0], path, key=fleet.key, after=last_id)).watch()

    rest = asyncio.run(come_back())
    assert rest.complete
    assert {**late.replay.messages, **rest.replay.messages} == quick.messages
    assert not set(late.replay.messages) & set(rest.replay.messages)
    assert rest.replay.status == "waiting"


@pytest.mark.parametrize("readers", SEATS)
def test_readers_that_leave_free_everything(make_fleet: MakeFleet, readers: int) -> None:
    fleet = make_fleet().start(apis=1, workers=0)
    [api] = fleet.apis
    chat = fleet.new_chat("Nobody answers this.")
    path = f"/v1/chats/{chat['id']}/stream"
    files, channels = _open_files(api), _channels(fleet)
    resident: list[int] = []
    for _ in range(3):
        asyncio.run(_come_and_go(fleet, path, readers))
        eventually(
            lambda: fleet.metric(api, "stepwell_stream_subscribers") == 0,
            "nobody is counted any more",
            seconds=LEFT_SECONDS,
        )
        eventually(lambda: _channels(fleet) == channels, "the channel is left")
        eventually(lambda: _open_files(api) <= files + POOLS, "their connections are closed")
        resident.append(_resident_kib(api))
    # The first crowd makes the process as large as a crowd needs; the next ones find it so.
    assert resident[2] - resident[1] < LEAK_KIB, resident


def _cut_off(fleet: Fleet) -> float:
    return fleet.metric(fleet.apis[0], "stepwell_stream_cut_off_total")


def _channels(fleet: Fleet) -> int:
    with open_redis(fleet.redis_url) as redis:
        return len(cast(list[bytes], cast(Any, redis).pubsub_channels()))


def _open_files(process: Process) -> int:
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def _resident_kib(process: Process) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])
