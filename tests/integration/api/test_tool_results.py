"""The worked cases of tool results: which are taken, which are refused, and how."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.chats.model.ids import ChatId
from shared.chats.model.messages import NewMessage, Role
from shared.chats.model.parts import ToolCallPart, ToolResultPart
from shared.chats.model.statuses import Status
from shared.chats.moves.workers.settle import RequireAction
from tests.chats import Bench, open_bench
from tests.integration.api.served import Api, Client

TABLE: Any = json.loads(Path("tests/cases/aux_cases.json").read_text())["tool_results_validation"]
SETUP: Any = TABLE["setup"]
CASES: list[Any] = TABLE["cases"]


def _pause(bench: Bench, chat_id: ChatId) -> None:
    """Let the model call two tools of the client and one of ours, which has answered."""
    fence = bench.begin(chat_id).fence
    turn_id = bench.chat(chat_id).current_turn_id
    calls = tuple(
        ToolCallPart(tool_call_id=id_, tool_name=name, args={})
        for id_, name in SETUP["last_assistant_tool_calls"]
    )
    answered = SETUP["already_answered"]
    results = tuple(
        ToolResultPart(tool_call_id=call.tool_call_id, tool_name=call.tool_name, result="read")
        for call in calls
        if call.tool_call_id in answered
    )
    rows = (
        NewMessage(role=Role.ASSISTANT, content=calls, turn_id=turn_id, model="scripted"),
        NewMessage(role=Role.TOOL, content=results, turn_id=turn_id),
    )
    waiting = tuple(call for call in calls if call.tool_call_id not in answered)
    bench.settle(chat_id, fence, RequireAction(rows=rows, calls=waiting))


@pytest.fixture
def bench(api: Api) -> Bench:
    return open_bench(api.engine)


@pytest.fixture
def waiting(bench: Bench, alice: Client) -> str:
    """A chat that waits as the setup says."""
    tools: list[object] = [
        {"name": name, "description": "", "input_schema": {}} for name in SETUP["dynamic_tools"]
    ]
    chat = alice.start(dynamic_tools=tools)
    _pause(bench, ChatId(UUID(chat["id"])))
    return chat["id"]


@pytest.mark.parametrize("case", CASES, ids=[case.get("why", "taken") for case in CASES])
def test_a_worked_case(api: Api, bench: Bench, alice: Client, waiting: str, case: Any) -> None:
    path = f"/v1/chats/{waiting}/tool-results"
    status = case.get("status", SETUP["status"])
    if status == "pending":
        # The second POST of the body that led there.
        assert alice.post(path, {"results": _all(case)}).status == 202
    elif status != SETUP["status"]:
        api.set_status(waiting, status)
    chat_id = ChatId(UUID(waiting))
    before = bench.rows(chat_id)
    results = _all(case) if status == "pending" else case["results"]
    reply = alice.post(path, {"results": results})
    assert reply.status == case["http"], reply
    if case["http"] == 202 and status == SETUP["status"]:
        assert bench.chat(chat_id).status is Status.PENDING
        assert reply.json["status"] == "pending"
    else:
        assert bench.rows(chat_id) == before
    if case["http"] == 409:
        assert reply.json["current_status"] == status


def _all(case: Any) -> list[Any]:
    """Return the case's results with those that make them complete."""
    sent = {result["tool_call_id"] for result in case["results"]}
    answered = [*sent, *SETUP["already_answered"]]
    more = [
        {"tool_call_id": id_, "output": 1}
        for id_, _ in SETUP["last_assistant_tool_calls"]
        if id_ not in answered
    ]
    return [*case["results"], *more]


def test_a_repeat_by_its_idempotency_key_is_answered_again(
    bench: Bench, alice: Client, waiting: str
) -> None:
    path, ids = f"/v1/chats/{waiting}/tool-results", ("tc-1", "tc-2")
    body = {"results": [{"tool_call_id": id_, "output": id_} for id_ in ids]}
    first = alice.post(path, body, once="k")
    rows = bench.rows(ChatId(UUID(waiting)))
    again = alice.post(path, body, once="k")
    assert (first.status, again.status) == (202, 202)
    assert first.body == again.body
    assert bench.rows(ChatId(UUID(waiting))) == rows
    other = {"results": [{"tool_call_id": id_, "output": "other"} for id_ in ids]}
    assert alice.post(path, other, once="k").code == "idempotency_mismatch"


def test_keys_in_another_order_are_the_same_body(alice: Client, waiting: str) -> None:
    path = f"/v1/chats/{waiting}/tool-results"
    results = [{"tool_call_id": "tc-1", "output": {"a": 1, "b": 2}}]
    more = [{"tool_call_id": "tc-2", "output": 2}]
    assert alice.post(path, {"results": results + more}).status == 202
    turned = [{"output": {"b": 2, "a": 1}, "tool_call_id": "tc-1"}]
    assert alice.post(path, {"results": turned + more}).status == 202


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "results"),
        ({"results": []}, "results"),
        ({"results": [{"tool_call_id": "tc-1"}]}, "results[0].output"),
        ({"results": [{"tool_call_id": "", "output": 1}]}, "results[0].tool_call_id"),
        ({"results": [{"tool_call_id": "a", "output": 1, "more": 1}]}, "results[0].more"),
        ({"results": [{"tool_call_id": "a", "output": 1, "is_error": 1}]}, "results[0].is_error"),
        ({"results": [{"tool_call_id": "tc-1", "output": 1}], "partial": "yes"}, "partial"),
    ],
)
def test_a_body_of_another_shape_is_refused_field_by_field(
    alice: Client, waiting: str, body: object, field: str
) -> None:
    reply = alice.post(f"/v1/chats/{waiting}/tool-results", body)
    assert (reply.status, reply.code) == (400, "invalid_request")
    assert [fault["field"] for fault in reply.json["errors"]] == [field]


def test_an_error_of_the_client_is_one_for_the_model(
    bench: Bench, alice: Client, waiting: str
) -> None:
    results = [
        {"tool_call_id": "tc-1", "output": "broken", "is_error": True},
        {"tool_call_id": "tc-2", "output": "fine"},
    ]
    assert alice.post(f"/v1/chats/{waiting}/tool-results", {"results": results}).status == 202
    rows = bench.history(ChatId(UUID(waiting)))[-2:]
    parts = [part for row in rows for part in row.content if isinstance(part, ToolResultPart)]
    assert [(part.tool_name, part.is_error) for part in parts] == [
        ("lookup", True),
        ("notify", False),
    ]
    assert all(part.created_at is not None for part in parts)
