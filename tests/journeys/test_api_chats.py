"""What people store with chats and messages, find them by, and change, over two API processes."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest
from uuid_utils.compat import uuid7

from tests.journeys.fleet import Fleet, eventually
from tests.journeys.scripts import say, script, wait
from tests.journeys.tooling import answer, at_once, start_asking


@pytest.fixture
def fleet(paired_fleet: Fleet) -> Fleet:
    return paired_fleet


@pytest.fixture
def run() -> str:
    """A label that only the chats of this test have."""
    return str(uuid7())


def _list(fleet: Fleet, query: str, *, api: int = 0) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = fleet.ask("GET", f"/v1/chats?{query}{cursor}", api=api)
        items += page["items"]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    return items


def test_a_chat_is_found_by_everything_that_it_was_given(fleet: Fleet, run: str) -> None:
    chats = [
        fleet.new_chat(
            script(say("ok")),
            labels={"run": run, "number": str(number % 2)},
            metadata={"number": number, "deep": [{"ä": None}]},
            key=f"{run}/{number}",
        )
        for number in range(5)
    ]
    for chat in chats:
        fleet.turn(chat["id"], chat["turn_id"])
    fleet.ask("PATCH", f"/v1/chats/{chats[0]['id']}", {"archived": True})
    newest_first = [chat["id"] for chat in reversed(chats)]

    def found(query: str, api: int = 1) -> list[str]:
        return [chat["id"] for chat in _list(fleet, f"label=run:{run}&{query}", api=api)]

    assert found("limit=2") == newest_first
    assert found("limit=1&label=number:1") == [chats[3]["id"], chats[1]["id"]]
    assert found("archived=true") == [chats[0]["id"]]
    assert found("status=waiting&archived=false&limit=3") == newest_first[:-1]
    assert found("status=error") == []
    assert found(f"key={quote(run + '/2', safe='')}") == [chats[2]["id"]]
    assert _list(fleet, f"label=run:{run}")[0]["metadata"] == {"number": 4, "deep": [{"ä": None}]}


def test_author_and_metadata_of_a_message_stay_with_it_through_the_queue(fleet: Fleet) -> None:
    chat = start_asking(fleet, "c1")
    said = {"author": "Ann", "metadata": {"ts": "17.5"}}
    queued = fleet.send(chat["id"], script(say("second")), **said)["queued_message"]
    assert {name: queued[name] for name in said} == said
    assert answer(fleet, chat["id"], {"c1": 1}, api=1).status == 202
    turn = fleet.turn(chat["id"], queued["turn_id"])
    rows = {row["id"]: row for row in fleet.transcript(chat["id"])}
    message = rows[turn["user_message_id"]]
    assert {name: message[name] for name in said} == said


def test_fields_that_are_set_reach_the_other_process_and_the_stream(fleet: Fleet) -> None:
    chat = fleet.new_chat(script(wait(60)))
    path = f"/v1/chats/{chat['id']}"
    changed = {"title": "Mine", "labels": {"a": "b"}, "metadata": {"c": 1}}
    with fleet.stream(f"{path}/stream", api=1) as stream:
        stream.wait_for("status")
        fleet.ask("PATCH", path, changed)
        stream.wait_for("title", lambda data: data["title"] == "Mine")
    now = fleet.ask("GET", path, api=1)
    assert {name: now[name] for name in changed} == changed
    assert fleet.call("DELETE", path).status == 204


def test_messages_to_a_key_reach_one_chat_through_two_processes(fleet: Fleet, run: str) -> None:
    path = f"/v1/chats/by-key/{run}/messages"

    def put(number: int) -> Any:
        return fleet.call("PUT", path, {"content": f"message {number}"}, api=number % 2)

    answers = at_once([lambda number=number: put(number) for number in range(8)])
    assert sorted(one.status for one in answers) == [201] + [202] * 7
    [chat_id] = {one.body.get("chat_id") or one.body["id"] for one in answers}
    for one in answers:
        assert fleet.turn(chat_id, one.body["turn_id"])["status"] == "finished"
    said = [row["content"][0]["text"] for row in fleet.transcript(chat_id) if row["role"] == "user"]
    assert sorted(said) == [f"message {number}" for number in range(8)]


def test_a_turn_is_waited_for_at_the_other_process(fleet: Fleet) -> None:
    chat = fleet.new_chat(script(wait(60)))
    path = f"/v1/chats/{chat['id']}"
    turn = f"{path}/turns/{chat['turn_id']}"
    assert fleet.ask("GET", f"{turn}?wait=0.01", api=1)["status"] == "active"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(fleet.ask, "GET", f"{turn}?wait=60", api=1)
        eventually(lambda: fleet.metric(fleet.apis[1], "stepwell_stream_subscribers"), "it waits")
        fleet.ask("POST", f"{path}/interrupt", {})
        ended = waiting.result()
    assert ended["status"] == "interrupted"
    assert ended["ended_at"] is not None
