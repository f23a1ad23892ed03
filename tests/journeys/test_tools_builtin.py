"""Built-in tools run between two commits: what they are told, what they may do, how they end."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.fleet import Fleet, eventually
from tests.journeys.replay import text_of
from tests.journeys.scripts import say, script
from tests.journeys.tooling import (
    ASK,
    DONE,
    MAX_STEPS,
    NEXT,
    answer,
    call,
    calls,
    check_paired,
    check_times,
    lines,
    results_of,
    wait_for_lines,
)


def _play(fleet: Fleet, content: str, **fields: object) -> tuple[dict[str, Any], dict[str, Any]]:
    """Create a chat and wait for the end of its turn; return both."""
    chat = fleet.new_chat(content, **fields)
    turn = fleet.turn(chat["id"], chat["turn_id"])
    check_paired(fleet, chat["id"])
    check_times(turn)
    return chat, turn


def _runs(fleet: Fleet, chat_id: str) -> list[tuple[Any, ...]]:
    statement = (
        "SELECT tool, state, runs FROM tool_runs WHERE chat_id = %(id)s"
        " ORDER BY message_id, call_index"
    )
    return fleet.rows(statement, id=chat_id)


def test_a_package_brings_its_tools_by_an_entry_point(tool_fleet: Fleet) -> None:
    chat, _ = _play(tool_fleet, calls(call("greet", "c1", who="Ann")), tools=["greet"])
    [part] = results_of(tool_fleet, chat["id"])
    assert part["result"] == "Hello Ann."
    clash = {**ASK, "name": "greet"}
    refused = tool_fleet.call("POST", "/v1/chats", {"content": "hi", "dynamic_tools": [clash]})
    assert refused.body["errors"][0]["detail"] == "is a built-in tool's"


def _times(parts: list[dict[str, Any]]) -> list[datetime]:
    return [datetime.fromisoformat(part["created_at"]) for part in parts]


def test_a_tool_runs_and_the_model_goes_on_with_its_result(tool_fleet: Fleet) -> None:
    content = calls(call("add", "c1", x=2, y=3), call("current_time", "c2"))
    chat, turn = _play(tool_fleet, content)
    assert turn["status"] == "finished"
    assert turn["steps"] == 2
    assert [message["role"] for message in tool_fleet.transcript(chat["id"])] == [
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    five, time = results_of(tool_fleet, chat["id"])
    assert (five["tool_call_id"], five["result"]) == ("c1", 5)
    assert datetime.fromisoformat(time["result"]["time"]).utcoffset() == timedelta(0)
    assert _runs(tool_fleet, chat["id"]) == [("add", "done", 1), ("current_time", "done", 1)]


def test_the_stream_shows_a_result_before_the_row_that_has_it(tool_fleet: Fleet) -> None:
    body = {"content": calls(call("add", "c1", x=1, y=1), call("nap", "c2", seconds=0.5))}
    chat = tool_fleet.ask("POST", "/v1/chats", body)
    with tool_fleet.stream(f"/v1/chats/{chat['id']}/stream?until=idle") as stream:
        events = stream.wait_for_end()
    shown = [
        (event.data["role"], event.data["index"], event.data["part"]["result"])
        for event in events
        if event.name == "message_part" and event.data["part"]["type"] == "tool-result"
    ]
    assert shown == [("tool", 0, 2), ("tool", 1, "rested")]
    first_result = next(
        n for n, event in enumerate(events)
        if event.name == "message_part" and event.data["role"] == "tool"
    )  # fmt: skip
    row = next(
        n for n, event in enumerate(events)
        if event.name == "message" and event.data["role"] == "tool"
    )  # fmt: skip
    assert first_result < row


def test_results_are_in_call_order_with_their_own_times(tool_fleet: Fleet) -> None:
    content = calls(call("nap", "slow", seconds=0.6), call("nap", "fast", seconds=0.1))
    chat, turn = _play(tool_fleet, content)
    slow, fast = results_of(tool_fleet, chat["id"])
    assert (slow["tool_call_id"], fast["tool_call_id"]) == ("slow", "fast")
    slow_end, fast_end = _times([slow, fast])
    assert slow_end - fast_end >= timedelta(seconds=0.3)
    asked = [part for part in tool_fleet.transcript(chat["id"])[1]["content"] if "args" in part]
    assert max(_times(asked)) < fast_end
    # They ran side by side.
    assert 0.5 < turn["time"]["tools"] < 0.7 + 0.5


def test_the_model_sees_mixed_results_together_in_call_order(tool_fleet: Fleet) -> None:
    content = calls(
        call("ask", "d1"), call("add", "b1", x=1, y=2), call("ask", "d2"), call("nope", "u1")
    )
    chat = _play_to_pause(tool_fleet, content)
    built_in, unknown = results_of(tool_fleet, chat["id"])
    assert (built_in["tool_call_id"], built_in["result"]) == ("b1", 3)
    assert (unknown["tool_call_id"], unknown["is_error"]) == ("u1", True)
    answered = answer(tool_fleet, chat["id"], {"d2": "two"}, partial=True)
    assert answered.body["status"] == "requires_action"
    refused = answer(tool_fleet, chat["id"], {"d1": "one", "b1": "stolen"})
    assert refused.status == 400
    answer(tool_fleet, chat["id"], {"d1": "one"})
    assert tool_fleet.turn(chat["id"], chat["turn_id"])["status"] == "finished"
    check_paired(tool_fleet, chat["id"])
    results = {part["tool_call_id"]: part for part in results_of(tool_fleet, chat["id"])}
    assert set(results) == {"d1", "b1", "d2", "u1"}
    b1, d2, d1 = _times([results["b1"], results["d2"], results["d1"]])
    assert b1 < d2 < d1


def _play_to_pause(fleet: Fleet, content: str) -> dict[str, Any]:
    chat = fleet.new_chat(content, dynamic_tools=[ASK])
    turn = fleet.turn(chat["id"], chat["turn_id"])
    assert turn["status"] == "requires_action", turn
    return chat


def test_a_tool_is_told_whose_call_it_is(tool_fleet: Fleet) -> None:
    chat, _ = _play(tool_fleet, calls(call("describe", "c1")), labels={"team": "red"})
    [part] = results_of(tool_fleet, chat["id"])
    told = part["result"]
    assert told["chat_id"] == chat["id"]
    assert told["turn_id"] == chat["turn_id"]
    assert (told["owner"], told["labels"]) == ("alice", {"team": "red"})
    message = tool_fleet.transcript(chat["id"])[1]
    assert told["key"] == f"{chat['id']}/{message['id']}/1"
    deadline = datetime.fromisoformat(told["deadline"])
    assert timedelta(seconds=100) < deadline - _times([part])[0] <= timedelta(seconds=120)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (call("nope", "c"), "There is no tool"),
        (call("add", "c", x="two", y=3), "x: Input should be a valid integer"),
        (call("add", "c", x=1, y=2, z=3), "Extra inputs"),
        ({"call": {"name": "add", "args": "{oops", "id": "c"}}, "not a JSON object"),
        (call("current_time", "c", timezone="Moon/Crater"), "no time zone"),
        (call("misbehave", "c", how="raise"), "The tool failed: ValueError."),
        (call("misbehave", "c", how="complain"), "There is nothing to be had."),
        (call("misbehave", "c", how="exit"), "The tool failed: SystemExit."),
        (call("misbehave", "c", how="object"), "can't be written as JSON"),
        (call("misbehave", "c", how="deep"), "can't be written as JSON"),
    ],
)
def test_what_goes_wrong_is_a_result_and_never_a_failed_turn(
    tool_fleet: Fleet, made: dict[str, Any], says: str
) -> None:
    chat, turn = _play(tool_fleet, calls(made))
    assert turn["status"] == "finished"
    [part] = results_of(tool_fleet, chat["id"])
    assert part["is_error"]
    assert says in part["result"]
    assert "a secret" not in json.dumps(tool_fleet.transcript(chat["id"]))


def test_the_log_says_in_whose_chat_a_tool_failed(tool_fleet: Fleet) -> None:
    chat, _ = _play(tool_fleet, calls(call("misbehave", "c", how="raise")))
    failed = [line for line in tool_fleet.logs().splitlines() if "tool.failed" in line]
    assert [line for line in failed if chat["id"] in line and "misbehave" in line]


@pytest.mark.parametrize(
    ("how", "result"),
    [
        ("print", "printed"),
        ("fork", "forked"),
        ("nul", "a�b�c"),
        ("nan", {"value": None}),
        ("nothing", None),
        ("media", {"media_type": "image/png", "data": "cG5n", "text": "a picture"}),
        ("binary", bytes(range(256)).decode("utf-8", "replace").replace("\0", "�")),
    ],
)
def test_odd_results_are_stored_all_the_same(tool_fleet: Fleet, how: str, result: object) -> None:
    chat, turn = _play(tool_fleet, calls(call("misbehave", "c", how=how)))
    assert turn["status"] == "finished"
    [part] = results_of(tool_fleet, chat["id"])
    assert part.get("is_error", False) is False
    assert part["result"] == result
    assert part.get("is_media", False) is (how == "media")
    assert all(worker.alive() for worker in tool_fleet.workers)


def test_a_huge_result_is_cut_in_the_middle(tool_fleet: Fleet) -> None:
    chat, _ = _play(tool_fleet, calls(call("misbehave", "c", how="huge")))
    [part] = results_of(tool_fleet, chat["id"])
    assert 60_000 < len(part["result"]) <= 64 * 1024
    assert "bytes were left out here" in part["result"]
    names = ("stepwell_tool_result_truncated_total", "stepwell_tool_result_size_bytes_count")
    for name in names:
        assert sum(tool_fleet.metric(worker, name) for worker in tool_fleet.workers) >= 1


def test_a_chat_may_use_the_tools_that_it_names_and_no_other(tool_fleet: Fleet) -> None:
    content = calls(call("add", "c1", x=1, y=1), call("current_time", "c2"))
    chat, turn = _play(tool_fleet, content, tools=["add"])
    assert turn["status"] == "finished"
    two, refused = results_of(tool_fleet, chat["id"])
    assert (two["result"], refused["is_error"]) == (2, True)
    assert refused["result"] == "This chat may not use this tool."
    unknown = tool_fleet.call("POST", "/v1/chats", {"content": "hi", "tools": ["nope"]})
    assert (unknown.status, unknown.body["errors"][0]["field"]) == (400, "tools[0]")
    assert "there is 'add', " in unknown.body["detail"]


def test_a_tool_that_takes_too_long_is_given_up(tool_fleet: Fleet, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    chat, turn = _play(tool_fleet, calls(call("dawdle", "c1", trace=str(trace))))
    assert turn["status"] == "finished"
    assert turn["time"]["tools"] < 3
    [part] = results_of(tool_fleet, chat["id"])
    assert part["is_error"]
    assert "within 0.3 s" in part["result"]
    assert _runs(tool_fleet, chat["id"]) == [("dawdle", "unknown", 1)]
    assert len(lines(trace)) == 1


@pytest.mark.parametrize("times", [4, 5])
def test_the_same_call_five_times_running_ends_the_turn(tool_fleet: Fleet, times: int) -> None:
    steps = [step for n in range(times) for step in (call("add", f"c{n}", y=1, x=1), NEXT)]
    chat, turn = _play(tool_fleet, script(*steps, say(DONE)))
    if times == 4:
        assert turn["status"] == "finished"
        return
    assert turn["status"] == "failed"
    assert "'add' with the same arguments 5 times running" in turn["error"]["message"]
    assert turn["error"]["retryable"] is False
    assert len(results_of(tool_fleet, chat["id"])) == 4


def test_the_same_call_with_other_calls_between_is_no_loop(tool_fleet: Fleet) -> None:
    same, other = call("add", "c", x=1, y=1), call("add", "c", x=1, y=2)
    steps = [step for _ in range(3) for step in (same, NEXT, same, NEXT, other, NEXT)]
    _, turn = _play(tool_fleet, script(*steps, say(DONE)))
    assert turn["status"] == "finished"


def test_five_equal_calls_in_one_answer_are_no_loop(tool_fleet: Fleet) -> None:
    _, turn = _play(tool_fleet, calls(*(call("add", f"c{n}", x=1, y=1) for n in range(5))))
    assert turn["status"] == "finished"


@pytest.mark.parametrize("more", [0, 1])
def test_a_turn_has_so_many_steps_and_no_more(tool_fleet: Fleet, more: int) -> None:
    steps = [
        step for n in range(MAX_STEPS - 1 + more) for step in (call("add", f"c{n}", x=n, y=n), NEXT)
    ]
    chat, turn = _play(tool_fleet, script(*steps, say(DONE)))
    assert len(results_of(tool_fleet, chat["id"])) == MAX_STEPS - 1
    if not more:
        assert (turn["status"], turn["steps"]) == ("finished", MAX_STEPS)
        return
    assert turn["status"] == "failed"
    assert f"after {MAX_STEPS} steps" in turn["error"]["message"]
    assert turn["error"]["retryable"] is False


def _errors(fleet: Fleet, name: str) -> float:
    labels = {"provider": "scripted", "model": "scripted", "tool_name": name}
    metric = "stepwell_tool_errors_total"
    return sum(fleet.metric(process, metric, **labels) for process in [*fleet.apis, *fleet.workers])


def test_errors_are_counted_by_names_that_the_operator_chose(tool_fleet: Fleet) -> None:
    names = ("misbehave", "unknown", "dynamic", "made_up", "ask")
    before = [_errors(tool_fleet, name) for name in names]
    content = calls(
        call("misbehave", "c1", how="raise"),
        call("misbehave", "c2", how="print"),
        call("made_up", "c3"),
        call("current_time", "c4"),
        {"call": {"name": "ask", "args": "[]", "id": "c5"}},
        call("ask", "c6"),
    )
    chat = tool_fleet.new_chat(content, dynamic_tools=[ASK], tools=["misbehave"])
    assert tool_fleet.turn(chat["id"], chat["turn_id"])["status"] == "requires_action"
    rows = [{"tool_call_id": "c6", "output": "no", "is_error": True}]
    tool_fleet.ask("POST", f"/v1/chats/{chat['id']}/tool-results", {"results": rows})
    assert tool_fleet.turn(chat["id"], chat["turn_id"])["status"] == "finished"
    assert [_errors(tool_fleet, name) - one for name, one in zip(names, before, strict=True)] == [
        1,
        1,
        2,
        0,
        0,
    ]


def test_ids_that_stand_twice_in_one_answer_are_told_apart(tool_fleet: Fleet) -> None:
    chat, turn = _play(tool_fleet, calls(call("add", "c", x=1, y=1), call("add", "c", x=1, y=2)))
    assert turn["status"] == "finished"
    results = results_of(tool_fleet, chat["id"])
    assert [(part["tool_call_id"], part["result"]) for part in results] == [
        ("c", 2),
        ("c_again", 3),
    ]


def _interrupt(fleet: Fleet, chat: dict[str, Any]) -> None:
    fleet.ask("POST", f"/v1/chats/{chat['id']}/interrupt", {})


def test_an_interruption_keeps_the_results_that_are_there(
    tool_fleet: Fleet, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    content = calls(
        call("add", "c1", x=1, y=1), call("count_slowly", "c2", trace=str(trace)), call("ask", "c3")
    )
    chat = tool_fleet.new_chat(content, dynamic_tools=[ASK])
    wait_for_lines(trace)
    _interrupt(tool_fleet, chat)
    turn = tool_fleet.turn(chat["id"], chat["turn_id"])
    assert turn["status"] == "interrupted"
    check_paired(tool_fleet, chat["id"])
    results = {part["tool_call_id"]: part for part in results_of(tool_fleet, chat["id"])}
    assert results["c1"]["result"] == 2
    assert results["c2"]["result"].startswith("Outcome unknown")
    assert "not run" in results["c3"]["result"]
    assert all("created_at" in part for part in results.values())
    assert _runs(tool_fleet, chat["id"]) == [("add", "done", 1), ("count_slowly", "unknown", 1)]


def test_a_tool_that_hears_of_the_interruption_may_end_in_good_order(tool_fleet: Fleet) -> None:
    chat = tool_fleet.new_chat(calls(call("nap", "c1", seconds=60)))
    eventually(lambda: _runs(tool_fleet, chat["id"]), "the tool was claimed")
    _interrupt(tool_fleet, chat)
    assert tool_fleet.turn(chat["id"], chat["turn_id"])["status"] == "interrupted"
    [part] = results_of(tool_fleet, chat["id"])
    assert part["result"] == "woken"


@pytest.mark.parametrize("how", ["interrupt", "send", "edit", "delete"])
def test_a_tool_that_ignores_everything_holds_nobody_up(
    tool_fleet: Fleet, tmp_path: Path, how: str
) -> None:
    until = tmp_path / "until"
    made = call("sleep_through", "c1", seconds=60, until=str(until))
    chat = tool_fleet.new_chat(calls(made))
    path = f"/v1/chats/{chat['id']}"
    eventually(lambda: _runs(tool_fleet, chat["id"]), "the tool was claimed")
    match how:
        case "interrupt":
            _interrupt(tool_fleet, chat)
        case "send":
            tool_fleet.send(chat["id"], script(say("new")), busy_behavior="interrupt")
        case "edit":
            [first, *_] = tool_fleet.transcript(chat["id"])
            tool_fleet.ask(
                "PATCH", f"{path}/messages/{first['id']}", {"content": script(say("new"))}
            )
        case _:
            assert tool_fleet.call("DELETE", path).status == 204
            until.touch()
            return
    eventually(
        lambda: tool_fleet.ask("GET", path)["status"] == "waiting", "the chat goes on", seconds=10
    )
    until.touch()
    check_paired(tool_fleet, chat["id"])
    texts = [text_of(m["content"]) for m in tool_fleet.transcript(chat["id"])]
    assert ("new" in texts) is (how != "interrupt")
    if how != "edit":
        [part] = results_of(tool_fleet, chat["id"])
        assert part["result"].startswith("Outcome unknown")
