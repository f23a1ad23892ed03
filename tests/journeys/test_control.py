"""People stop, repeat, edit, archive and delete; what was said before stays where it belongs."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.fakes.process import FakeModels
from tests.journeys.conftest import MakeFleet, declare
from tests.journeys.fleet import Fleet, eventually
from tests.journeys.replay import Replay, text_of
from tests.journeys.scripts import say, script, slowly
from tests.journeys.sse import Stream
from tests.journeys.tooling import ASK, NEXT, answer, asking, call

STAGES = {
    "waiting": "status",
    "backing off": "retry",
    "paused": "action_required",
    "failed": "error",
}


def _slow_chat(fleet: Fleet, times: int = 100) -> str:
    return fleet.new_chat(script(slowly("tick ", times, 0.05)))["id"]


def _watch(fleet: Fleet, chat_id: str, query: str = "?until=idle") -> Stream:
    return fleet.stream(f"/v1/chats/{chat_id}/stream{query}")


def _interrupt(fleet: Fleet, chat_id: str, **body: object) -> dict[str, object]:
    return fleet.ask("POST", f"/v1/chats/{chat_id}/interrupt", body)


def test_an_interrupt_keeps_what_was_said(fleet: Fleet) -> None:
    chat_id = _slow_chat(fleet)
    with _watch(fleet, chat_id) as stream:
        stream.wait_for("message_part", lambda part: part["seq"] >= 5)
        _interrupt(fleet, chat_id)
        replay = Replay().take_all(stream.wait_for_end())
    assert not replay.faults
    [(_, question), (_, partial)] = replay.texts()
    assert question
    assert partial.startswith("tick tick tick ")
    assert len(partial) < len("tick " * 100)
    assert list(replay.previewed.values()) == [partial]
    [_, answer] = fleet.transcript(chat_id)
    assert answer["interrupted"] is True
    assert [status for _, status in replay.ended_turns] == ["interrupted"]
    fleet.check_agrees(chat_id, replay)


def test_an_interrupt_promotes_the_queue_unless_told_to_clear_it(fleet: Fleet) -> None:
    for clear in (False, True):
        chat_id = _slow_chat(fleet)
        queued = fleet.send(chat_id, script(say("next")))
        with _watch(fleet, chat_id) as stream:
            stream.wait_for("message_part")
            _interrupt(fleet, chat_id, clear_queue=clear)
            replay = Replay().take_all(stream.wait_for_end())
        assert replay.queue == []
        expected = "replaced" if clear else "finished"
        assert (queued["turn_id"], expected) in replay.ended_turns
        assert len(replay.messages) == (2 if clear else 4)
        fleet.check_agrees(chat_id, replay)


def test_five_interrupts_at_once_are_one(fleet: Fleet) -> None:
    chat_id = _slow_chat(fleet)
    with _watch(fleet, chat_id) as stream, ThreadPoolExecutor(5) as pool:
        stream.wait_for("message_part")
        done = [pool.submit(_interrupt, fleet, chat_id) for _ in range(5)]
        statuses = {str(one.result()["status"]) for one in done}
        replay = Replay().take_all(stream.wait_for_end())
    assert statuses <= {"interrupting", "waiting"}
    fleet.check_agrees(chat_id, replay)
    assert [status for _, status in replay.ended_turns] == ["interrupted"]
    assert len(replay.messages) == 2


def test_an_interrupt_ends_a_backoff_at_once(fleet: Fleet) -> None:
    chat = fleet.new_chat(script({"fail": {"status": 503, "retry_after": 60}}))
    with _watch(fleet, chat["id"]) as stream:
        retry = stream.wait_for("retry")
        assert retry.data["delay_ms"] == 60_000
        before = fleet.metric(fleet.apis[0], "stepwell_turns_total")
        answer = _interrupt(fleet, chat["id"])
        replay = Replay().take_all(stream.wait_for_end())
    assert answer["status"] == "waiting"
    # Who ends a turn counts it.
    assert fleet.metric(fleet.apis[0], "stepwell_turns_total") == before + 1
    fleet.check_agrees(chat["id"], replay)
    assert [status for _, status in replay.ended_turns] == ["interrupted"]


def test_an_interrupting_message_is_answered_behind_the_partial_answer(fleet: Fleet) -> None:
    chat_id = _slow_chat(fleet)
    with _watch(fleet, chat_id) as stream:
        stream.wait_for("message_part", lambda part: part["seq"] >= 3)
        sent = fleet.send(chat_id, script(say("now this")), busy_behavior="interrupt")
        replay = Replay().take_all(stream.wait_for_end())
    assert sent["status"] == "interrupting"
    fleet.check_agrees(chat_id, replay)
    assert [role for role, _ in replay.texts()] == ["user", "assistant", "user", "assistant"]
    assert replay.texts()[-1] == ("assistant", "now this")
    assert [status for _, status in replay.ended_turns] == ["interrupted", "finished"]


def test_a_busy_chat_rejects_when_asked_to(fleet: Fleet) -> None:
    chat_id = _slow_chat(fleet)
    body = {"content": "now?", "busy_behavior": "reject"}
    refused = fleet.call("POST", f"/v1/chats/{chat_id}/messages", body)
    assert (refused.status, refused.body["code"]) == (409, "chat_busy")
    assert refused.body["current_status"] in ("pending", "running")


def test_the_partial_answer_of_a_dead_worker_is_kept(mortal_fleet: Fleet) -> None:
    fleet = mortal_fleet
    chat_id = _slow_chat(fleet)
    with _watch(fleet, chat_id) as stream:
        stream.wait_for("message_part", lambda part: part["seq"] >= 5)
        holder = fleet.holder(chat_id)
        holder.kill()
        answer = _interrupt(fleet, chat_id)
        replay = Replay().take_all(stream.wait_for_end())
    assert answer["status"] in ("interrupting", "waiting", "pending")
    # Either the interrupt or the recovery came first; nothing is lost in both cases.
    if answer["status"] == "interrupting":
        assert replay.texts()[1][1].startswith("tick tick tick ")
    assert [status for _, status in replay.ended_turns] == ["interrupted"]


def test_cancelling_closes_the_provider_s_connection_at_once(
    make_fleet: MakeFleet, fake_models: FakeModels, tmp_path: Path
) -> None:
    fleet = make_fleet(STEPWELL_CONFIG=str(declare(tmp_path, fake_models))).start()
    fake_models.forget()
    chat = fleet.new_chat(script(slowly("tick ", 200, 0.05)))
    with _watch(fleet, chat["id"]) as stream:
        stream.wait_for("message_part")
        assert fake_models.wait_for_open(1)
        _interrupt(fleet, chat["id"])
        assert fake_models.wait_for_open(0)
        stream.wait_for_end()


def test_a_failed_turn_is_retried_as_the_same_turn(fleet: Fleet) -> None:
    failing = script({"fail": {"status": 400, "type": "invalid_request_error", "message": "no"}})
    chat = fleet.new_chat(failing)
    with _watch(fleet, chat["id"]) as stream:
        replay = Replay().take_all(stream.wait_for_end())
    fleet.check_agrees(chat["id"], replay)
    assert replay.status == "error"
    assert replay.error == fleet.ask("GET", f"/v1/chats/{chat['id']}")["last_error"]
    assert replay.error is not None
    assert replay.error["turn_id"] == chat["turn_id"]
    again = fleet.ask("POST", f"/v1/chats/{chat['id']}/retry")
    assert again["turn_id"] == chat["turn_id"]
    assert fleet.turn(chat["id"], chat["turn_id"])["status"] == "failed"


def test_an_edit_takes_everything_after_it_back(fleet: Fleet) -> None:
    chat = fleet.new_chat(script(say("one")))
    fleet.turn(chat["id"], chat["turn_id"])
    second = fleet.send(chat["id"], script(slowly("tick ", 100, 0.05)))
    queued = fleet.send(chat["id"], "never answered")
    first_id = fleet.transcript(chat["id"])[0]["id"]
    with _watch(fleet, chat["id"]) as stream:
        stream.wait_for("message_part")
        body = {"content": script(say("edited"))}
        path = f"/v1/chats/{chat['id']}/messages/{first_id}"
        edited = fleet.ask("PATCH", path, body)
        replay = Replay().take_all(stream.wait_for_end())
    fleet.check_agrees(chat["id"], replay)
    assert replay.texts()[-1] == ("assistant", "edited")
    assert len(replay.messages) == 2
    ended = dict(replay.ended_turns)
    assert ended[second["turn_id"]] == ended[queued["turn_id"]] == "replaced"
    assert ended[edited["turn_id"]] == "finished"


def test_an_archived_chat_accepts_nothing_until_it_is_back(fleet: Fleet) -> None:
    chat = fleet.new_chat(script(say("one")))
    fleet.turn(chat["id"], chat["turn_id"])
    path = f"/v1/chats/{chat['id']}"
    assert fleet.ask("PATCH", path, {"archived": True})["archived"] is True
    refused = fleet.call("POST", f"{path}/messages", {"content": "hello?"})
    assert (refused.status, refused.body["code"]) == (409, "chat_archived")
    assert fleet.ask("PATCH", path, {"archived": False})["archived"] is False
    assert fleet.send(chat["id"], "hello?")["status"] == "pending"


@pytest.mark.parametrize(
    "stage", ["waiting", "running", "backing off", "queued", "paused", "failed"]
)
def test_a_deleted_chat_is_gone_and_its_streams_end(fleet: Fleet, stage: str) -> None:
    content = {
        "waiting": script(say("one")),
        "backing off": script({"fail": {"status": 503, "retry_after": 60}}),
        "paused": asking("c1"),
        "failed": script({"fail": {"status": 400, "type": "no", "message": "no"}}),
    }.get(stage, script(slowly("tick ", 100, 0.05)))
    chat = fleet.new_chat(content, dynamic_tools=[ASK])
    if stage == "queued":
        fleet.send(chat["id"], "never answered")
    with _watch(fleet, chat["id"], "") as stream:
        # The end of a turn is told only to those who watched it, the status to all.
        stream.wait_for(
            STAGES.get(stage, "message_part"),
            lambda data: stage != "waiting" or data["status"] == stage,
        )
        assert fleet.call("DELETE", f"/v1/chats/{chat['id']}").status == 204
        stream.wait_for_end()
    assert stream.names()[-1] == "chat_deleted"
    assert fleet.call("GET", f"/v1/chats/{chat['id']}").status == 404
    assert fleet.call("GET", f"/v1/chats/{chat['id']}/stream").status == 404
    left = fleet.rows(
        "SELECT id::text FROM chats WHERE id = %(chat)s"
        " UNION ALL SELECT id::text FROM turns WHERE chat_id = %(chat)s"
        " UNION ALL SELECT id::text FROM messages WHERE chat_id = %(chat)s"
        " UNION ALL SELECT id::text FROM queued_messages WHERE chat_id = %(chat)s",
        chat=chat["id"],
    )
    assert left == []
    eventually(
        lambda: sum(fleet.metric(w, "stepwell_chats") for w in fleet.workers) == 0,
        "no worker is busy with it",
    )


def test_the_queue_can_be_changed_while_it_waits(fleet: Fleet) -> None:
    chat_id = _slow_chat(fleet, 60)
    first, second, third = (fleet.send(chat_id, script(say(n))) for n in ("1", "2", "3"))
    path = f"/v1/chats/{chat_id}/queue"
    assert fleet.call("DELETE", f"{path}/{first['queued_message']['id']}").status in (200, 202, 204)
    with _watch(fleet, chat_id, f"?until=turn:{second['turn_id']}") as stream:
        stream.wait_for("message_part")
        fleet.ask("POST", f"{path}/{third['queued_message']['id']}/promote")
        replay = Replay().take_all(stream.wait_for_end())
    assert not replay.faults
    assert replay.ended_turns[-3:][0][1] == "interrupted"
    assert [turn for turn, _ in replay.ended_turns[-2:]] == [third["turn_id"], second["turn_id"]]
    answers = [text for role, text in replay.texts() if role == "assistant"]
    assert answers[1:] == ["3", "2"]
    stored = [text_of(m["content"]) for m in fleet.transcript(chat_id)]
    assert len(stored) == 6


@pytest.mark.parametrize("on_error", ["hold", "continue"])
def test_a_failed_turn_holds_the_queue_unless_told_to_go_on(fleet: Fleet, on_error: str) -> None:
    failure = {"fail": {"status": 400, "type": "no", "message": "no"}}
    content = script(call("ask", "c1"), NEXT, failure)
    chat = fleet.new_chat(content, on_error=on_error, dynamic_tools=[ASK])
    assert fleet.turn(chat["id"], chat["turn_id"])["status"] == "requires_action"
    queued = fleet.send(chat["id"], script(say("after it")))
    rests = "waiting" if on_error == "continue" else "error"
    with _watch(fleet, chat["id"], "") as stream:
        stream.wait_for("status")
        assert answer(fleet, chat["id"], {"c1": 1}).status == 202
        stream.wait_for("status", lambda data: data["status"] == rests)
        replay = Replay().take_all(stream.events)
    fleet.check_agrees(chat["id"], replay)
    failed = (chat["turn_id"], "failed")
    if on_error == "continue":
        assert replay.ended_turns == [failed, (queued["turn_id"], "finished")]
        return
    assert replay.ended_turns == [failed]
    assert [item["turn_id"] for item in replay.queue] == [queued["turn_id"]]
    # The next message goes on with what has waited longer.
    last = fleet.send(chat["id"], script(say("last")))
    assert last["queued_message"]
    with _watch(fleet, chat["id"], f"?until=turn:{last['turn_id']}") as stream:
        stream.wait_for_end()
    rows = [row for row in fleet.transcript(chat["id"]) if row["role"] == "assistant"]
    assert [text_of(row["content"]) for row in rows] == ["", "after it", "last"]
