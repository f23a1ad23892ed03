"""Both real dialects hold a whole conversation with tools, from the worker to the wire."""

from typing import Any, cast

import pytest

from tests.fakes.process import FakeModels
from tests.journeys.fleet import Fleet
from tests.journeys.replay import Replay, text_of
from tests.journeys.scripts import say, script
from tests.journeys.tooling import (
    ASK,
    DONE,
    NEXT,
    TELL,
    answer,
    call,
    check_paired,
    check_times,
    results_of,
)

DIALECTS = ("openai-chat", "anthropic")
CONVERSATION = script(
    say("built-in"),
    call("add", "b1", x=1, y=2),
    NEXT,
    say("dynamic"),
    call("ask", "d1", n=1),
    NEXT,
    say("mixed"),
    call("ask", "d2", n=2),
    call("add", "b2", x="three", y=4),
    call("tell", "d3"),
    call("misbehave", "b3", how="complain"),
    NEXT,
    say(DONE),
)


def _messages(request: dict[str, Any]) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], request["messages"])


def _told_by_openai(request: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the results that stand at the end of a request, by the ids of their calls."""
    messages = _messages(request)
    last = max(n for n, message in enumerate(messages) if message["role"] == "assistant")
    asked = [made["id"] for made in messages[last]["tool_calls"]]
    told = [message for message in messages[last + 1 :] if message["role"] == "tool"]
    assert [message["tool_call_id"] for message in told] == asked
    return [(message["tool_call_id"], str(message["content"])) for message in told]


def _told_by_anthropic(request: dict[str, Any]) -> list[tuple[str, str]]:
    *_, asking, told = _messages(request)
    asked = [block["id"] for block in asking["content"] if block["type"] == "tool_use"]
    results = [block for block in told["content"] if block["type"] == "tool_result"]
    assert [block["tool_use_id"] for block in results] == asked
    return [(block["tool_use_id"], str(block["content"])) for block in results]


def _steps(models: FakeModels) -> list[dict[str, Any]]:
    """Return the request of each step; one whose worker was thought dead has asked twice."""
    bodies = [cast(dict[str, Any], seen.body) for seen in models.requests()]
    return [*{len(_messages(body)): body for body in bodies}.values()]


def _tools(request: dict[str, Any]) -> list[str]:
    return [tool.get("name") or tool["function"]["name"] for tool in request["tools"]]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_conversation_with_every_kind_of_call(
    tool_fleet: Fleet, fake_models: FakeModels, dialect: str
) -> None:
    fleet = tool_fleet
    fake_models.forget()
    chat = fleet.new_chat(
        CONVERSATION, model=dialect, dynamic_tools=[ASK, TELL], tools=["add", "misbehave"]
    )
    path = f"/v1/chats/{chat['id']}"
    assert fleet.turn(chat["id"], chat["turn_id"])["status"] == "requires_action"
    assert answer(fleet, chat["id"], {"d1": {"deep": ["one"]}}).status == 202
    assert fleet.turn(chat["id"], chat["turn_id"])["status"] == "requires_action"
    assert answer(fleet, chat["id"], {"d3": "three"}, partial=True).status == 202
    assert answer(fleet, chat["id"], {"d2": "two"}).status == 202
    turn = fleet.turn(chat["id"], chat["turn_id"])
    assert (turn["status"], turn["steps"]) == ("finished", 4)
    check_paired(fleet, chat["id"])
    check_times(turn)
    with fleet.stream(f"{path}/stream?until=idle") as stream:
        fleet.check_agrees(chat["id"], Replay().take_all(stream.wait_for_end()))
    assert text_of(fleet.transcript(chat["id"])[-1]["content"]) == DONE

    requests = _steps(fake_models)
    assert len(requests) == 4
    assert all(_tools(one) == ["add", "misbehave", "ask", "tell"] for one in requests)
    told = _told_by_openai if dialect == "openai-chat" else _told_by_anthropic
    [(_, three)] = told(requests[1])
    assert "3" in three
    [(_, deep)] = told(requests[2])
    assert "one" in deep
    mixed = dict(told(requests[3]))
    assert [*mixed] == ["d2", "b2", "d3", "b3"]
    assert "two" in mixed["d2"]
    assert "x: Input should be a valid integer" in mixed["b2"]
    assert "three" in mixed["d3"]
    assert "There is nothing to be had." in mixed["b3"]


@pytest.mark.parametrize("model", [*DIALECTS, "scripted"])
def test_a_call_that_is_being_streamed_is_kept_and_answered_when_it_is_stopped(
    tool_fleet: Fleet, model: str
) -> None:
    half = {"call": {"name": "ask", "args": '{"question": "wha', "id": "h1"}}
    content = script(say("let me see"), call("add", "w1", x=1, y=1), half, {"stall": True})
    body = {"content": content, "model": model, "dynamic_tools": [ASK]}
    chat = tool_fleet.ask("POST", "/v1/chats", body)
    path = f"/v1/chats/{chat['id']}"
    with tool_fleet.stream(f"{path}/stream?until=idle") as stream:
        stream.wait_for("message_part", lambda data: "wha" in str(data["part"]))
        tool_fleet.ask("POST", f"{path}/interrupt", {})
        replay = Replay().take_all(stream.wait_for_end())
    tool_fleet.check_agrees(chat["id"], replay)
    turn = tool_fleet.turn(chat["id"], chat["turn_id"])
    assert turn["status"] == "interrupted"
    check_times(turn)
    check_paired(tool_fleet, chat["id"])
    whole, broken = results_of(tool_fleet, chat["id"])
    assert "not run" in whole["result"]
    assert "not run" in broken["result"]
    [_, said, _] = tool_fleet.transcript(chat["id"])
    assert said["interrupted"] is True
    assert all("created_at" in part for part in said["content"] if part["type"] == "tool-call")
    assert "usage" not in said
    # What was broken off is no obstacle to what comes next.
    sent = tool_fleet.send(chat["id"], script(say("on we go")))
    assert tool_fleet.turn(chat["id"], sent["turn_id"])["status"] == "finished"
