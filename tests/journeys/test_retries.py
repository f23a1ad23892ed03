"""A chat that backs off: what a watcher sees, what a person can do meanwhile, when it goes on."""

from typing import Any

import pytest

from shared.broker.celery_app import make_app
from shared.broker.dispatcher import Dispatcher
from shared.chats.model.ids import ChatId
from tests.journeys.fleet import Fleet, eventually
from tests.journeys.replay import Replay
from tests.journeys.scripts import say, script, wait
from tests.journeys.sse import Stream

AT_ONCE_SECONDS = 10.0
HINT_SECONDS = 90
WAITING = script({"fail": {"status": 503, "retry_after": HINT_SECONDS}})
ATTEMPTS = 25


def _watch(fleet: Fleet, chat_id: str, query: str = "?until=idle") -> Stream:
    return fleet.stream(f"/v1/chats/{chat_id}/stream{query}")


def _retry_now(fleet: Fleet, chat_id: str) -> None:
    """Move the clock to where the wait is over."""
    past = "UPDATE chats SET retry_at = now() - interval '1 s' WHERE id = %(chat)s RETURNING id"
    assert fleet.rows(past, chat=chat_id)


def test_a_failed_attempt_is_taken_back_and_told_to_everybody(fleet: Fleet) -> None:
    failing = {"fail_times": {"times": 2, "status": 503}}
    chat = fleet.new_chat(
        script(wait(0.5), say("half of it, "), wait(0.2), failing, say("and the rest"))
    )
    with _watch(fleet, chat["id"]) as stream:
        first = stream.wait_for("retry")
        second = stream.wait_for("retry", lambda data: data["attempt"] == 2)
        with _watch(fleet, chat["id"], "") as late:
            joined = late.wait_for("retry")
            late.wait_for("status")
        shown = fleet.ask("GET", f"/v1/chats/{chat['id']}")
        replay = Replay().take_all(stream.wait_for_end())
    assert (first.data["attempt"], first.data["delay_ms"]) == (1, 1000)
    assert (second.data["attempt"], second.data["delay_ms"]) == (2, 2000)
    assert joined.data == second.data
    assert "message_part" not in late.names()
    assert shown["status"] == "pending"
    assert {**shown["retry"], "turn_id": chat["turn_id"]} == second.data
    fleet.check_agrees(chat["id"], replay)
    assert replay.texts()[1:] == [("assistant", "half of it, and the rest")]
    assert list(replay.previewed.values()) == ["half of it, and the rest"]
    names = stream.names()
    # The second attempt was shown, from its beginning, before it was taken back.
    assert "message_part" in names[stream.events.index(first) : stream.events.index(second)]
    turn = fleet.turn(chat["id"], chat["turn_id"])
    assert (turn["steps"], turn["status"]) == (1, "finished")
    assert 2.9 < turn["time"]["backoff"] < 2.9 + AT_ONCE_SECONDS


def _edit(fleet: Fleet, chat_id: str) -> str:
    [message] = fleet.transcript(chat_id)
    path = f"/v1/chats/{chat_id}/messages/{message['id']}"
    return fleet.ask("PATCH", path, {"content": script(say("edited"))})["turn_id"]


def _interrupt_with_a_message(fleet: Fleet, chat_id: str) -> str:
    sent = fleet.send(chat_id, script(say("now this")), busy_behavior="interrupt")
    assert sent["message"]["role"] == "user"
    return sent["turn_id"]


def _interrupt_with_a_queue(fleet: Fleet, chat_id: str) -> str:
    queued = fleet.send(chat_id, script(say("the next")))
    assert queued["queued_message"]["id"]
    assert queued["status"] == "pending"
    fleet.ask("POST", f"/v1/chats/{chat_id}/interrupt")
    return queued["turn_id"]


def _promote(fleet: Fleet, chat_id: str) -> str:
    queued = fleet.send(chat_id, script(say("the next")))
    path = f"/v1/chats/{chat_id}/queue/{queued['queued_message']['id']}/promote"
    fleet.ask("POST", path)
    return queued["turn_id"]


@pytest.mark.parametrize(
    ("act", "outcome", "said"),
    [
        (_edit, "replaced", "edited"),
        (_interrupt_with_a_message, "interrupted", "now this"),
        (_interrupt_with_a_queue, "interrupted", "the next"),
        (_promote, "interrupted", "the next"),
    ],
)
def test_who_does_something_during_the_wait_is_answered_at_once(
    fleet: Fleet, act: Any, outcome: str, said: str
) -> None:
    chat = fleet.new_chat(WAITING)
    with _watch(fleet, chat["id"]) as stream:
        retry = stream.wait_for("retry")
        turn_id = act(fleet, chat["id"])
        replay = Replay().take_all(stream.wait_for_end())
    assert retry.data["delay_ms"] == HINT_SECONDS * 1000
    assert stream.events[-1].at - retry.at < AT_ONCE_SECONDS
    fleet.check_agrees(chat["id"], replay)
    assert replay.ended_turns == [(chat["turn_id"], outcome), (turn_id, "finished")]
    assert replay.texts()[-1] == ("assistant", said)
    assert "retry" not in fleet.ask("GET", f"/v1/chats/{chat['id']}")


def test_what_is_queued_refused_or_set_leaves_the_wait_as_it_is(fleet: Fleet) -> None:
    chat = fleet.new_chat(WAITING)
    path = f"/v1/chats/{chat['id']}"
    with _watch(fleet, chat["id"], "") as stream:
        retry = stream.wait_for("retry")
        refused = fleet.call(
            "POST", f"{path}/messages", {"content": "?", "busy_behavior": "reject"}
        )
        assert (refused.status, refused.body["code"]) == (409, "chat_busy")
        assert refused.body["current_status"] == "pending"
        fleet.send(chat["id"], "later")
        stream.wait_for("queue_update", lambda data: len(data["items"]) == 1)
        shown = fleet.ask("PATCH", path, {"title": "Patience", "model": "scripted"})
        assert shown["retry"]["retrying_at"] == retry.data["retrying_at"]
        assert stream.names().count("retry") == 1
        fleet.ask("POST", f"{path}/interrupt", {"clear_queue": True})
        stream.wait_for("turn_end", lambda data: data["status"] == "interrupted")


def test_the_last_of_twenty_five_attempts_keeps_its_kind(fleet: Fleet) -> None:
    dispatcher = Dispatcher(make_app(broker_url=fleet.redis_url, concurrency=1))
    chat = fleet.new_chat(script({"fail": {"status": 529, "message": "Overloaded"}}))
    delays: list[int] = []
    with _watch(fleet, chat["id"]) as stream:
        for number in range(1, ATTEMPTS):
            retry = stream.wait_for("retry", lambda data, n=number: data["attempt"] == n)
            delays.append(retry.data["delay_ms"] // 1000)
            _retry_now(fleet, chat["id"])
            dispatcher.send(ChatId(chat["id"]))
        replay = Replay().take_all(stream.wait_for_end())
    dispatcher.close()
    assert delays == [1, 2, 4, 8, 16, 32, *[60] * (ATTEMPTS - 7)]
    fleet.check_agrees(chat["id"], replay)
    assert replay.error is not None
    told = (replay.error["kind"], replay.error["retryable"], replay.error["status_code"])
    assert told == ("overloaded", True, 529)
    assert stream.names().count("retry") == ATTEMPTS - 1
    assert replay.ended_turns == [(chat["turn_id"], "failed")]


def test_a_wait_of_more_than_ten_minutes_is_ended_by_the_sweeper(fleet: Fleet) -> None:
    failing = {"fail_times": {"times": 1, "status": 429, "retry_after": 700}}
    chat = fleet.new_chat(script(failing, say("at last")))
    with _watch(fleet, chat["id"]) as stream:
        assert stream.wait_for("retry").data["delay_ms"] == 700_000
        before = sum(fleet.metric(worker, "stepwell_swept_total") for worker in fleet.workers)
        _retry_now(fleet, chat["id"])
        replay = Replay().take_all(stream.wait_for_end())
    fleet.check_agrees(chat["id"], replay)
    assert replay.texts()[-1] == ("assistant", "at last")
    eventually(
        lambda: sum(fleet.metric(w, "stepwell_swept_total") for w in fleet.workers) > before,
        "the sweeper has counted it",
    )
