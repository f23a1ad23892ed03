"""Messages are lost, doubled, early and stale, and Redis dies: turns end once all the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.databases.valkey import Valkey
from shared.broker.celery_app import make_app
from shared.broker.dispatcher import Dispatcher
from shared.chats.model.ids import ChatId
from tests.journeys.conftest import MakeFleet
from tests.journeys.fleet import Fleet, eventually, kill_server
from tests.journeys.replay import Replay, text_of
from tests.journeys.scripts import say, script, slowly


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey that this test may kill; without a file, so that it comes back empty."""
    with Valkey(tmp_path / "valkey", fast=True) as server:
        yield server


@pytest.fixture
def fleet_on_it(make_fleet: MakeFleet, own_valkey: Valkey) -> Fleet:
    """A fleet on that Valkey."""
    return make_fleet(REDIS_URL=own_valkey.url).start(apis=1, workers=2)


def _dispatcher(fleet: Fleet) -> Dispatcher:
    return Dispatcher(make_app(broker_url=fleet.redis_url, concurrency=1))


def _answers(fleet: Fleet, chat_id: str) -> list[str]:
    return [text_of(m["content"]) for m in fleet.transcript(chat_id) if m["role"] == "assistant"]


def test_doubled_early_and_stale_deliveries_change_nothing(fleet: Fleet) -> None:
    dispatcher = _dispatcher(fleet)
    chat = fleet.new_chat(script(slowly("tick ", 20, 0.05)))
    chat_id = ChatId(chat["id"])
    for countdown in (0.0, 0.0, 0.2, 1.5):
        dispatcher.send(chat_id, countdown_seconds=countdown)
    assert fleet.turn(chat["id"], chat["turn_id"])["status"] == "finished"
    dispatcher.send(chat_id)
    eventually(
        lambda: sum(fleet.metric(w, "stepwell_stale_deliveries_total") for w in fleet.workers) >= 5,
        "every needless delivery was counted",
    )
    assert _answers(fleet, chat["id"]) == ["tick " * 20]
    dispatcher.close()


def test_an_early_delivery_waits_for_the_retry_s_time(fleet: Fleet) -> None:
    dispatcher = _dispatcher(fleet)
    failing = {"fail_times": {"times": 1, "status": 503}}
    chat = fleet.new_chat(script(failing, say("after all")))
    with fleet.stream(f"/v1/chats/{chat['id']}/stream?until=idle") as stream:
        retry = stream.wait_for("retry")
        for _ in range(3):
            dispatcher.send(ChatId(chat["id"]))
        replay = Replay().take_all(stream.wait_for_end())
    again = stream.wait_for("status", lambda data: data["status"] == "running",
                            after=stream.events.index(retry))  # fmt: skip
    assert retry.data["delay_ms"] == 1000
    assert again.at - retry.at > 0.7
    assert not replay.faults
    assert _answers(fleet, chat["id"]) == ["after all"]
    dispatcher.close()


def test_a_message_lost_after_the_commit_is_made_up_for(
    fleet_on_it: Fleet, own_valkey: Valkey
) -> None:
    own_valkey.stop()
    chat = fleet_on_it.new_chat(script(say("late, not lost")))
    assert chat["status"] == "pending"
    own_valkey.start()
    turn = fleet_on_it.turn(chat["id"], chat["turn_id"])
    assert turn["status"] == "finished"
    assert _answers(fleet_on_it, chat["id"]) == ["late, not lost"]


def test_a_redis_that_dies_in_mid_stream_loses_no_token(
    fleet_on_it: Fleet, own_valkey: Valkey
) -> None:
    chat = fleet_on_it.new_chat(script(slowly("tick ", 60, 0.05)))
    with fleet_on_it.stream(f"/v1/chats/{chat['id']}/stream?until=idle") as stream:
        stream.wait_for("message_part", lambda part: part["seq"] >= 5)
        kill_server(own_valkey)
        own_valkey.start()
        replay = Replay().take_all(stream.wait_for_end())
    assert not replay.faults
    assert [text for role, text in replay.texts() if role == "assistant"] == ["tick " * 60]
    assert list(replay.previewed.values()) == ["tick " * 60]
    assert all(worker.alive() for worker in fleet_on_it.workers)
    again = fleet_on_it.send(chat["id"], script(say("still here")))
    assert fleet_on_it.turn(chat["id"], again["turn_id"])["status"] == "finished"
