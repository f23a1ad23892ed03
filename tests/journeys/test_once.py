"""A repeated request does nothing and is answered the same, by whichever API process it reaches."""

import http.client
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from tests.journeys.barriers import held_commit, held_row, wait_for_waiting
from tests.journeys.fleet import Answer, Fleet
from tests.journeys.replay import Replay
from tests.journeys.scripts import say, script, wait
from tests.journeys.sse import Stream
from tests.journeys.tooling import start_asking

GONE = (http.client.RemoteDisconnected, ConnectionResetError)


@pytest.fixture
def fleet(paired_fleet: Fleet) -> Fleet:
    return paired_fleet


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    """Threads whose requests wait."""
    with ThreadPoolExecutor(2) as pool:
        yield pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request with an Idempotency-Key of its own."""

    fleet: Fleet
    method: str
    path: str
    body: object
    key: str

    def ask(self, api: int) -> Answer:
        headers = {"Idempotency-Key": self.key}
        return self.fleet.call(self.method, self.path, self.body, headers=headers, api=api)

    def stream(self, api: int) -> Stream:
        headers = {"Idempotency-Key": self.key}
        return self.fleet.stream(
            self.path, api=api, method=self.method, body=self.body, headers=headers
        )


def _asked(fleet: Fleet, method: str, path: str, body: object) -> Asked:
    return Asked(fleet=fleet, method=method, path=path, body=body, key=str(uuid7()))


def _done(fleet: Fleet, answer: str = "done") -> str:
    """Return the path of a chat that waits."""
    chat = fleet.new_chat(script(say(answer)))
    assert fleet.turn(chat["id"], chat["turn_id"])["status"] == "finished"
    return f"/v1/chats/{chat['id']}"


def _busy(fleet: Fleet) -> str:
    return f"/v1/chats/{fleet.new_chat(script(wait(60)))['id']}"


def _failed(fleet: Fleet) -> str:
    chat = fleet.new_chat(script({"fail": {"status": 400, "type": "no", "message": "no"}}))
    assert fleet.turn(chat["id"], chat["turn_id"])["status"] == "failed"
    return f"/v1/chats/{chat['id']}"


def _edit(fleet: Fleet) -> Asked:
    path = _done(fleet)
    first = fleet.ask("GET", f"{path}/messages")["items"][-1]["id"]
    return _asked(fleet, "PATCH", f"{path}/messages/{first}", {"content": "edited"})


def _promote(fleet: Fleet) -> Asked:
    path = _busy(fleet)
    queued = fleet.ask("POST", f"{path}/messages", {"content": "next"})["queued_message"]["id"]
    return _asked(fleet, "POST", f"{path}/queue/{queued}/promote", None)


def _submit(fleet: Fleet) -> Asked:
    chat = start_asking(fleet, "c1")
    body = {"results": [{"tool_call_id": "c1", "output": 1}]}
    return _asked(fleet, "POST", f"/v1/chats/{chat['id']}/tool-results", body)


ROUTES: dict[str, Callable[[Fleet], Asked]] = {
    "create": lambda fleet: _asked(fleet, "POST", "/v1/chats", {"content": "new"}),
    "by key": lambda fleet: _asked(
        fleet, "PUT", f"/v1/chats/by-key/{uuid7()}/messages", {"content": "new"}
    ),
    "send": lambda fleet: _asked(fleet, "POST", f"{_done(fleet)}/messages", {"content": "more"}),
    "edit": _edit,
    "promote": _promote,
    "interrupt": lambda fleet: _asked(fleet, "POST", f"{_busy(fleet)}/interrupt", {}),
    "retry": lambda fleet: _asked(fleet, "POST", f"{_failed(fleet)}/retry", None),
    "tool results": _submit,
    "set fields": lambda fleet: _asked(fleet, "PATCH", _done(fleet), {"title": "T"}),
}


@pytest.mark.parametrize("route", ROUTES)
def test_a_repeat_is_answered_by_the_other_process(fleet: Fleet, route: str) -> None:
    asked = ROUTES[route](fleet)
    first = asked.ask(0)
    assert 200 <= first.status < 300, first
    again = asked.ask(1)
    assert (again.status, again.body) == (first.status, first.body)
    if route in ("create", "by key", "send", "edit"):
        other = replace(asked, body={"content": "something else"}).ask(1)
        assert (other.status, other.body["code"]) == (422, "idempotency_mismatch")


def _users(fleet: Fleet, path: str) -> list[Any]:
    rows = fleet.ask("GET", f"{path}/messages?limit=200")["items"]
    return [row["id"] for row in rows if row["role"] == "user"]


def test_twins_that_reach_two_processes_send_one_message(
    fleet: Fleet, beside: ThreadPoolExecutor
) -> None:
    path = _done(fleet)
    asked = _asked(fleet, "POST", f"{path}/messages", {"content": "more"})
    with held_row(fleet, path.rpartition("/")[2]):
        twins = [beside.submit(asked.ask, api) for api in (0, 1)]
        wait_for_waiting(fleet, 2)
    one, other = (twin.result() for twin in twins)
    assert (one.status, one.body) == (other.status, other.body) == (202, one.body)
    assert len(_users(fleet, path)) == 2


@pytest.mark.parametrize("route", ["create", "by key"])
def test_twins_that_reach_two_processes_create_one_chat(
    fleet: Fleet, beside: ThreadPoolExecutor, route: str
) -> None:
    asked = ROUTES[route](fleet)
    [(before,)] = fleet.rows("SELECT count(*) FROM chats")
    with held_commit(fleet, "new>pending"):
        twins = [beside.submit(asked.ask, api) for api in (0, 1)]
        wait_for_waiting(fleet, 2)
    one, other = (twin.result() for twin in twins)
    assert (one.status, one.body) == (other.status, other.body) == (201, one.body)
    assert fleet.rows("SELECT count(*) FROM chats") == [(before + 1,)]


def test_a_request_whose_process_dies_before_its_commit_is_made_by_its_repeat(
    fleet: Fleet, beside: ThreadPoolExecutor
) -> None:
    path = _done(fleet)
    asked = _asked(fleet, "POST", f"{path}/messages", {"content": "more"})
    with held_row(fleet, path.rpartition("/")[2]):
        lost = beside.submit(asked.ask, 0)
        wait_for_waiting(fleet, 1)
        fleet.apis.pop(0).kill()
        assert isinstance(lost.exception(), GONE)
    made = asked.ask(0)
    assert made.status == 202
    assert _users(fleet, path)[0] == made.body["message"]["id"]
    assert len(_users(fleet, path)) == 2


@pytest.mark.parametrize("route", ["send", "create"])
def test_a_request_whose_process_dies_after_its_commit_is_answered_to_its_repeat(
    fleet: Fleet, beside: ThreadPoolExecutor, route: str
) -> None:
    asked = ROUTES[route](fleet)
    [(before,)] = fleet.rows("SELECT count(*) FROM turns")
    change = "new>pending" if route == "create" else "waiting>pending"
    with held_commit(fleet, change):
        lost = beside.submit(asked.ask, 0)
        wait_for_waiting(fleet, 1)
        fleet.apis.pop(0).kill()
        assert isinstance(lost.exception(), GONE)
        # It waits for what PostgreSQL is about to complete, although nobody is left to hear it.
        repeat = beside.submit(asked.ask, 0)
        wait_for_waiting(fleet, 2)
    made = repeat.result()
    assert made.status == (201 if route == "create" else 202)
    assert fleet.rows("SELECT count(*) FROM turns") == [(before + 1,)]
    assert asked.ask(0).body == made.body
    chat_id = made.body["id"] if route == "create" else made.body["chat_id"]
    # The effects died with the process: the sweeper finds the chat.
    assert fleet.turn(chat_id, made.body["turn_id"])["status"] == "finished"


def test_a_repeat_joins_the_stream_of_its_turn_at_the_other_process(fleet: Fleet) -> None:
    body = {"content": script(say("now "), wait(0.3), say("and then"))}
    asked = _asked(fleet, "POST", "/v1/chats", body)
    with asked.stream(0) as first:
        first.wait_for("message_part")
        with asked.stream(1) as again:
            replays = [Replay().take_all(one.wait_for_end()) for one in (first, again)]
    with asked.stream(1) as late:
        ended = Replay().take_all(late.wait_for_end())
    turn_id = first.headers["Stepwell-Turn-Id"]
    assert turn_id == again.headers["Stepwell-Turn-Id"] == late.headers["Stepwell-Turn-Id"]
    for replay in replays:
        assert replay.faults == []
        assert replay.texts()[-1] == ("assistant", "now and then")
        assert replay.ended_turns == [(turn_id, "finished")]
    assert ended.ended_turns == [(turn_id, "finished")]
    assert len(fleet.transcript(first.headers["Stepwell-Chat-Id"])) == 2
