"""An API process dies between a commit and its effects: PostgreSQL alone tells what happened.

A frozen Redis holds it there.
"""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local.databases.valkey import Valkey
from tests.journeys.conftest import MakeFleet
from tests.journeys.fleet import Fleet, eventually
from tests.journeys.replay import Replay
from tests.journeys.scene import SAID, THOUGHT
from tests.journeys.scripts import say, script, wait


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey that this test may freeze."""
    with Valkey(tmp_path / "valkey", fast=True) as server:
        yield server


@pytest.fixture
def fleet(make_fleet: MakeFleet, own_valkey: Valkey) -> Fleet:
    return make_fleet(REDIS_URL=own_valkey.url).start(apis=2, workers=1)


def test_an_interrupt_that_nobody_was_told_of_keeps_what_was_said(
    fleet: Fleet, own_valkey: Valkey
) -> None:
    chat = fleet.new_chat(script(THOUGHT, say(SAID), wait(60)))
    path = f"/v1/chats/{chat['id']}"
    status = "SELECT 1 FROM chats WHERE id = %(chat)s AND status <> 'running'"
    with (
        fleet.stream(f"{path}/stream?until=idle", api=1) as stream,
        ThreadPoolExecutor(1) as beside,
    ):
        stream.wait_for("message_part", lambda part: part["part"].get("text") == SAID)
        os.kill(own_valkey.pid, signal.SIGSTOP)
        try:
            lost = beside.submit(fleet.call, "POST", f"{path}/interrupt", {})
            eventually(lambda: fleet.rows(status, chat=chat["id"]), "the interrupt is committed")
            fleet.apis.pop(0).kill()
            assert lost.exception() is not None
        finally:
            os.kill(own_valkey.pid, signal.SIGCONT)
        replay = Replay().take_all(stream.wait_for_end())
    assert replay.ended_turns == [(chat["turn_id"], "interrupted")]
    assert replay.texts()[-1] == ("assistant", SAID)
    fleet.check_agrees(chat["id"], replay)
