"""Clients answer tool calls: at once, in pieces, wrongly, twice, late, and not at all."""

from functools import partial
from typing import Any

import pytest

from tests.journeys.fleet import Fleet, eventually
from tests.journeys.replay import text_of
from tests.journeys.scripts import say, script
from tests.journeys.tooling import (
    ASK,
    DONE,
    NEXT,
    TELL,
    answer,
    asking,
    at_once,
    call,
    check_paired,
    check_times,
    results_of,
    start_asking,
)


def _finish(fleet: Fleet, chat: dict[str, Any]) -> dict[str, Any]:
    turn = fleet.turn(chat["id"], chat["turn_id"])
    check_paired(fleet, chat["id"])
    check_times(turn)
    return turn


def _last_text(fleet: Fleet, chat_id: str) -> str:
    return text_of(fleet.transcript(chat_id)[-1]["content"])


def test_a_call_pauses_the_chat_and_its_answer_goes_on(tool_fleet: Fleet) -> None:
    fleet = tool_fleet
    body = {"content": asking("c1"), "dynamic_tools": [ASK]}
    chat = fleet.ask("POST", "/v1/chats", body)
    with fleet.stream(f"/v1/chats/{chat['id']}/stream?until=turn:{chat['turn_id']}") as stream:
        stream.wait_for_end()
        required = stream.wait_for("action_required")
        paused = stream.wait_for("turn_end")
    [pending] = required.data["tool_calls"]
    assert (pending["tool_call_id"], pending["tool_name"]) == ("c1", "ask")
    assert pending["args"] == {"n": 0}
    assert paused.data["status"] == "requires_action"
    shown = fleet.ask("GET", f"/v1/chats/{chat['id']}")
    assert shown["status"] == "requires_action"
    [waiting] = shown["pending_tool_calls"]
    assert waiting == {**pending, "turn_id": chat["turn_id"]}
    held = "SELECT lease_id, worker_id FROM chats WHERE id = %(id)s"
    assert fleet.rows(held, id=chat["id"]) == [(None, None)]

    accepted = answer(fleet, chat["id"], {"c1": {"celsius": 21}})
    assert (accepted.status, accepted.body["status"]) == (202, "pending")
    assert accepted.body["turn_id"] == chat["turn_id"]
    turn = _finish(fleet, chat)
    assert turn["status"] == "finished"
    assert turn["time"]["client_tools"] > 0
    [result] = results_of(fleet, chat["id"])
    assert result["result"] == {"celsius": 21}
    assert _last_text(fleet, chat["id"]) == DONE
    assert fleet.ask("GET", f"/v1/chats/{chat['id']}")["pending_tool_calls"] == []


def test_two_calls_may_be_answered_one_by_one(tool_fleet: Fleet) -> None:
    chat = start_asking(tool_fleet, "c1", "c2")
    refused = answer(tool_fleet, chat["id"], {"c2": "second"})
    assert (refused.status, refused.body["code"]) == (400, "invalid_request")
    assert "c1" in refused.body["detail"]
    first = answer(tool_fleet, chat["id"], {"c2": "second"}, partial=True)
    assert (first.status, first.body["status"]) == (202, "requires_action")
    again = answer(tool_fleet, chat["id"], {"c2": "second"}, partial=True)
    assert (again.status, again.body["status"]) == (202, "requires_action")
    shown = tool_fleet.ask("GET", f"/v1/chats/{chat['id']}")
    assert [one["tool_call_id"] for one in shown["pending_tool_calls"]] == ["c1"]
    second = answer(tool_fleet, chat["id"], {"c1": "first"}, partial=True)
    assert second.body["status"] == "pending"
    assert _finish(tool_fleet, chat)["status"] == "finished"
    assert [part["result"] for part in results_of(tool_fleet, chat["id"])] == ["second", "first"]


@pytest.mark.parametrize(
    ("results", "partial", "says"),
    [
        ([], False, "results"),
        ([("c1", 1)], False, "c2"),
        ([("c1", 1), ("c1", 2), ("c2", 3)], False, "more than one"),
        ([("c1", 1), ("c2", 2), ("c9", 3)], False, "c9"),
        ([("c9", 3)], True, "c9"),
    ],
)
def test_wrong_results_are_refused_and_change_nothing(
    tool_fleet: Fleet, results: list[tuple[str, int]], partial: bool, says: str
) -> None:
    chat = start_asking(tool_fleet, "c1", "c2")
    before = tool_fleet.ask("GET", f"/v1/chats/{chat['id']}")
    rows = [{"tool_call_id": id_, "output": output} for id_, output in results]
    path = f"/v1/chats/{chat['id']}/tool-results"
    refused = tool_fleet.call("POST", path, {"results": rows, "partial": partial})
    assert (refused.status, refused.body["code"]) == (400, "invalid_request")
    assert says in refused.body["detail"]
    assert tool_fleet.ask("GET", f"/v1/chats/{chat['id']}") == before


def test_results_for_a_chat_that_does_not_wait_are_refused(tool_fleet: Fleet) -> None:
    chat = start_asking(tool_fleet, "c1")
    assert answer(tool_fleet, chat["id"], {"c1": 1}).status == 202
    _finish(tool_fleet, chat)
    late = answer(tool_fleet, chat["id"], {"c1": 2})
    assert (late.status, late.body["code"]) == (409, "move_not_allowed")
    assert late.body["allowed"] == ["requires_action"]
    repeated = answer(tool_fleet, chat["id"], {"c1": 1})
    assert (repeated.status, repeated.body["status"]) == (202, "waiting")
    assert len(results_of(tool_fleet, chat["id"])) == 1


def test_of_two_clients_that_answer_at_once_one_wins(tool_fleet: Fleet) -> None:
    for _ in range(5):
        chat = start_asking(tool_fleet, "c1")
        sent = ["this", "that", "other"]
        answers = at_once([partial(answer, tool_fleet, chat["id"], {"c1": said}) for said in sent])
        statuses = [one.status for one in answers]
        assert sorted(statuses) == [202, 409, 409]
        _finish(tool_fleet, chat)
        [result] = results_of(tool_fleet, chat["id"])
        assert result["result"] == sent[statuses.index(202)]


def test_of_two_clients_that_say_the_same_at_once_both_are_right(tool_fleet: Fleet) -> None:
    chat = start_asking(tool_fleet, "c1")
    answers = at_once([lambda: answer(tool_fleet, chat["id"], {"c1": "same"})] * 3)
    assert [one.status for one in answers] == [202, 202, 202]
    _finish(tool_fleet, chat)
    assert len(results_of(tool_fleet, chat["id"])) == 1


def test_a_call_without_an_answer_ends_at_its_deadline(tool_fleet: Fleet) -> None:
    with_default = {**ASK, "timeout_seconds": 0.5, "default_result": {"nobody": "home"}}
    without = {**TELL, "timeout_seconds": 0.5}
    content = script(call("ask", "c1"), call("tell", "c2"), NEXT, say(DONE))
    chat = tool_fleet.new_chat(content, dynamic_tools=[with_default, without])
    turn = eventually(
        lambda: (
            (found := tool_fleet.turn(chat["id"], chat["turn_id"]))["status"] == "finished"
            and found
        ),
        "the turn went on by itself",
    )
    check_paired(tool_fleet, chat["id"])
    assert turn["time"]["client_tools"] >= 0.5
    default, timed_out = results_of(tool_fleet, chat["id"])
    assert (default["result"], default.get("is_error", False)) == ({"nobody": "home"}, False)
    assert timed_out["is_error"]
    assert "in time" in timed_out["result"]
    late = answer(tool_fleet, chat["id"], {"c1": 1, "c2": 2})
    assert late.status == 409


def test_each_call_has_its_own_deadline(tool_fleet: Fleet) -> None:
    patient, hasty = {**ASK, "timeout_seconds": 600}, {**TELL, "timeout_seconds": 0.3}
    content = script(call("ask", "c1"), call("tell", "c2"), NEXT, say(DONE))
    chat = tool_fleet.new_chat(content, dynamic_tools=[patient, hasty])
    eventually(
        lambda: results_of(tool_fleet, chat["id"]), "the call with the short deadline is answered"
    )
    shown = tool_fleet.ask("GET", f"/v1/chats/{chat['id']}")
    assert shown["status"] == "requires_action"
    assert [one["tool_call_id"] for one in shown["pending_tool_calls"]] == ["c1"]
    late = answer(tool_fleet, chat["id"], {"c2": 2}, partial=True)
    assert late.status == 400
    assert answer(tool_fleet, chat["id"], {"c1": 1}).status == 202
    assert _finish(tool_fleet, chat)["status"] == "finished"


def test_an_id_that_the_model_gives_again_is_another_call(tool_fleet: Fleet) -> None:
    content = script(call("ask", "c1", n=1), NEXT, call("ask", "c1", n=2), NEXT, say(DONE))
    chat = tool_fleet.new_chat(content, dynamic_tools=[ASK])
    for _ in range(2):
        paused = tool_fleet.turn(chat["id"], chat["turn_id"])
        assert paused["status"] == "requires_action"
        assert answer(tool_fleet, chat["id"], {"c1": "the same"}).status == 202
    assert _finish(tool_fleet, chat)["status"] == "finished"
    assert len(results_of(tool_fleet, chat["id"])) == 2


@pytest.mark.parametrize("how", ["interrupt", "send", "edit", "delete"])
def test_a_person_may_do_anything_while_a_chat_waits(tool_fleet: Fleet, how: str) -> None:
    chat = start_asking(tool_fleet, "c1", "c2")
    path = f"/v1/chats/{chat['id']}"
    answer(tool_fleet, chat["id"], {"c1": "kept"}, partial=True)
    archived = tool_fleet.call("PATCH", path, {"archived": True})
    assert (archived.status, archived.body["code"]) == (409, "move_not_allowed")
    match how:
        case "interrupt":
            tool_fleet.ask("POST", f"{path}/interrupt", {})
        case "send":
            sent = tool_fleet.send(chat["id"], script(say("new")), busy_behavior="interrupt")
            assert tool_fleet.turn(chat["id"], sent["turn_id"])["status"] == "finished"
        case "edit":
            [first, *_] = tool_fleet.transcript(chat["id"])
            body = {"content": script(say("edited"))}
            edited = tool_fleet.ask("PATCH", f"{path}/messages/{first['id']}", body)
            assert tool_fleet.turn(chat["id"], edited["turn_id"])["status"] == "finished"
        case _:
            assert tool_fleet.call("DELETE", path).status == 204
            assert answer(tool_fleet, chat["id"], {"c2": 1}).status == 404
            return
    expected = "replaced" if how == "edit" else "interrupted"
    assert tool_fleet.turn(chat["id"], chat["turn_id"])["status"] == expected
    shown = tool_fleet.ask("GET", path)
    assert (shown["status"], shown["pending_tool_calls"]) == ("waiting", [])
    assert answer(tool_fleet, chat["id"], {"c2": 1}).status == 409
    check_paired(tool_fleet, chat["id"])
    results = {part["tool_call_id"]: part for part in results_of(tool_fleet, chat["id"])}
    if how != "edit":
        assert results["c1"]["result"] == "kept"
        assert results["c2"]["is_error"]


def test_arguments_that_no_client_could_use_go_back_to_the_model(tool_fleet: Fleet) -> None:
    broken = {"call": {"name": "ask", "args": '{"n": 1', "id": "c1"}}
    chat = tool_fleet.new_chat(script(broken, NEXT, say(DONE)), dynamic_tools=[ASK])
    assert _finish(tool_fleet, chat)["status"] == "finished"
    [result] = results_of(tool_fleet, chat["id"])
    assert result["is_error"]


def test_a_long_result_is_cut_to_the_room_of_the_model(tool_fleet: Fleet) -> None:
    [api] = tool_fleet.apis
    names = ("stepwell_tool_result_truncated_total", "stepwell_tool_result_size_bytes_count")
    before = [tool_fleet.metric(api, name) for name in names]
    chat = start_asking(tool_fleet, "c1", model="small")
    assert answer(tool_fleet, chat["id"], {"c1": "ä" * 20_000}).status == 202
    _finish(tool_fleet, chat)
    [result] = results_of(tool_fleet, chat["id"])
    assert len(result["result"].encode()) <= 16 * 1024
    assert "left out" in result["result"]
    assert [tool_fleet.metric(api, name) for name in names] == [one + 1 for one in before]


def test_a_long_default_is_cut_too_and_counted(tool_fleet: Fleet) -> None:
    names = ("stepwell_tool_result_truncated_total", "stepwell_tool_result_size_bytes_count")

    def counted() -> list[float]:
        return [sum(tool_fleet.metric(one, name) for one in tool_fleet.workers) for name in names]

    before = counted()
    tool = {**ASK, "timeout_seconds": 0.1, "default_result": "ä" * 20_000}
    chat = tool_fleet.new_chat(asking("c1"), model="small", dynamic_tools=[tool])
    eventually(lambda: results_of(tool_fleet, chat["id"]), "the default stands")
    eventually(
        lambda: counted() == [one + 1 for one in before], "the sweeper has counted the default"
    )
    _finish(tool_fleet, chat)
    [result] = results_of(tool_fleet, chat["id"])
    assert "left out" in result["result"]


def test_results_with_a_character_that_can_not_be_stored_are_refused(tool_fleet: Fleet) -> None:
    chat = start_asking(tool_fleet, "c1")
    assert answer(tool_fleet, chat["id"], {"c1": "a\0b"}).status == 400
    assert answer(tool_fleet, chat["id"], {"c1": "x" * 300_000}).status == 413
    assert answer(tool_fleet, chat["id"], {"c1": None}).status == 202
    assert _finish(tool_fleet, chat)["status"] == "finished"


def test_a_dynamic_tool_may_not_take_the_name_of_a_built_in_one(tool_fleet: Fleet) -> None:
    tool = {**ASK, "name": "current_time"}
    refused = tool_fleet.call("POST", "/v1/chats", {"content": "hi", "dynamic_tools": [tool]})
    assert refused.status == 400
    assert refused.body["errors"][0]["field"] == "dynamic_tools[0].name"
