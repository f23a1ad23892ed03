"""The request is built from the history, and everything that can't be sent is repaired."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from shared.chats.model.ids import ChatId, MessageId
from shared.chats.model.messages import Message, Role
from shared.chats.model.parts import (
    FilePart,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from shared.config.catalog import Model
from shared.jsonvalue import JsonObject
from workers.providers.protocol import PromptMessage, ToolSpec
from workers.steps.prompt.build import prepare, sound_schema
from workers.steps.prompt.pairing import NO_RESULT

MODEL = Model(
    name="m",
    provider="p",
    upstream_model="upstream",
    max_output_tokens=9,
    reasoning_effort="low",
    options={"top_p": 1},
)


def _row(role: Role, *parts: Part) -> Message:
    return Message(
        id=MessageId(1),
        chat_id=ChatId(uuid7()),
        turn_id=None,
        role=role,
        content=parts,
        created_at=datetime.now(UTC),
        revision=1,
    )


def _call(call_id: str, *, name: str = "look", provider_executed: bool = False) -> ToolCallPart:
    return ToolCallPart(
        tool_call_id=call_id, tool_name=name, args={"a": 1}, provider_executed=provider_executed
    )


def _result(call_id: str, *, name: str = "look", provider_executed: bool = False) -> ToolResultPart:
    return ToolResultPart(
        tool_call_id=call_id, tool_name=name, result="found", provider_executed=provider_executed
    )


def _lost(call_id: str) -> ToolResultPart:
    return ToolResultPart(tool_call_id=call_id, tool_name="look", result=NO_RESULT, is_error=True)


def _invented(call_id: str) -> ToolCallPart:
    return ToolCallPart(tool_call_id=call_id, tool_name="look", args={})


ASK, GO_ON = _row(Role.USER, TextPart(text="ask")), _row(Role.USER, TextPart(text="go on"))


def _messages(*history: Message) -> Sequence[PromptMessage]:
    return prepare(model=MODEL, system=None, history=history, attempt=0).messages


def _sent(*history: Message) -> list[tuple[Role, tuple[Part, ...]]]:
    return [(message.role, message.parts) for message in _messages(*history)]


def _as_sent(*rows: Message) -> list[tuple[Role, tuple[Part, ...]]]:
    return [(row.role, row.content) for row in rows]


def test_what_the_model_is_asked_for_comes_from_its_declaration() -> None:
    request = prepare(model=MODEL, system="Be kind.", history=[ASK], attempt=3)
    assert (request.model, request.provider, request.upstream_model) == ("m", "p", "upstream")
    assert (request.system, request.attempt) == ("Be kind.", 3)
    assert (request.max_output_tokens, request.reasoning_effort) == (9, "low")
    assert request.options == {"top_p": 1}
    assert request.tools == ()


def test_a_sound_history_goes_out_as_it_is() -> None:
    rows = [
        ASK,
        _row(Role.ASSISTANT, ReasoningPart(text="hm"), _call("a"), _call("b")),
        _row(Role.TOOL, _result("a"), _result("b")),
        _row(Role.ASSISTANT, TextPart(text="there")),
        GO_ON,
    ]
    assert _sent(*rows) == _as_sent(*rows)


def test_an_unanswered_call_gets_an_error_right_after_its_row() -> None:
    calls = _row(Role.ASSISTANT, TextPart(text="let me see"), _call("a"))
    assert _sent(ASK, calls, GO_ON) == _as_sent(ASK, calls, _row(Role.TOOL, _lost("a")), GO_ON)


def test_only_the_call_without_a_result_gets_one() -> None:
    calls = _row(Role.ASSISTANT, _call("a"), _call("b"))
    results = _row(Role.TOOL, _result("a"))
    both = _row(Role.TOOL, _result("a"), _lost("b"))
    assert _sent(ASK, calls, results) == _as_sent(ASK, calls, both)


def test_results_in_rows_of_their_own_go_out_together_in_call_order() -> None:
    calls = _row(Role.ASSISTANT, _call("a"), _call("b"))
    late, early = _row(Role.TOOL, _result("b")), _row(Role.TOOL, _result("a"))
    together = _row(Role.TOOL, _result("a"), _result("b"))
    assert _sent(ASK, calls, late, early) == _as_sent(ASK, calls, together)


def test_what_the_provider_runs_itself_is_left_to_it() -> None:
    rows = [
        ASK,
        _row(
            Role.ASSISTANT,
            _call("s", provider_executed=True),
            _result("s", provider_executed=True),
            _call("t", provider_executed=True),
        ),
        GO_ON,
    ]
    assert _sent(*rows) == _as_sent(*rows)


def test_an_orphan_result_with_a_name_gets_a_call() -> None:
    orphan = _row(Role.TOOL, _result("x"))
    assert _sent(ASK, orphan, GO_ON) == _as_sent(
        ASK, _row(Role.ASSISTANT, _invented("x")), orphan, GO_ON
    )


def test_orphans_of_one_row_get_their_calls_together() -> None:
    orphans = _row(Role.TOOL, _result("x"), _result("y"))
    assert _sent(ASK, orphans) == _as_sent(
        ASK, _row(Role.ASSISTANT, _invented("x"), _invented("y")), orphans
    )


def test_an_orphan_beside_results_that_were_called_for_goes_behind_them() -> None:
    calls = _row(Role.ASSISTANT, _call("a"))
    mixed = _row(Role.TOOL, _result("x"), _result("a"))
    assert _sent(ASK, calls, mixed) == _as_sent(
        ASK,
        calls,
        _row(Role.TOOL, _result("a")),
        _row(Role.ASSISTANT, _invented("x")),
        _row(Role.TOOL, _result("x")),
    )


def test_an_orphan_result_without_a_name_is_dropped() -> None:
    assert _sent(ASK, _row(Role.TOOL, _result("x", name="")), GO_ON) == _as_sent(ASK, GO_ON)


def test_a_result_before_its_call_is_no_answer() -> None:
    early = _row(Role.TOOL, _result("a"))
    calls = _row(Role.ASSISTANT, _call("a"))
    assert _sent(ASK, early, calls) == _as_sent(
        ASK,
        _row(Role.ASSISTANT, _invented("a")),
        early,
        calls,
        _row(Role.TOOL, _lost("a")),
    )


def test_a_provider_that_counts_its_calls_from_one_in_every_turn_is_understood() -> None:
    first = _row(Role.ASSISTANT, _call("call_1"))
    results = _row(Role.TOOL, _result("call_1"))
    second = _row(Role.ASSISTANT, _call("call_1"))
    lost = _row(Role.TOOL, _lost("call_1"))
    assert _sent(ASK, first, results, GO_ON, second, GO_ON) == _as_sent(
        ASK, first, results, GO_ON, second, lost, GO_ON
    )
    assert _sent(ASK, first, GO_ON, second, results) == _as_sent(
        ASK, first, lost, GO_ON, second, results
    )


def test_a_second_result_of_the_same_call_is_an_orphan() -> None:
    calls, results = _row(Role.ASSISTANT, _call("a")), _row(Role.TOOL, _result("a"))
    assert _sent(ASK, calls, results, results) == _as_sent(
        ASK, calls, results, _row(Role.ASSISTANT, _invented("a")), results
    )


@pytest.mark.parametrize(
    ("given_id", "sent_id"),
    [("toolu_01-X", "toolu_01-X"), ("functions.look:0", "functions_look_0"), ("ü/1", "__1")],
)
def test_ids_are_reduced_and_still_pair(given_id: str, sent_id: str) -> None:
    sent = _messages(_row(Role.ASSISTANT, _call(given_id)), _row(Role.TOOL, _result(given_id)))
    ids = [
        part.tool_call_id
        for message in sent
        for part in message.parts
        if isinstance(part, ToolCallPart | ToolResultPart)
    ]
    assert ids == [sent_id, sent_id]


def test_blank_text_is_dropped_and_so_is_a_row_that_it_leaves_empty() -> None:
    blank = _row(Role.ASSISTANT, TextPart(text=" \n"), ReasoningPart(text=""))
    mixed = _row(Role.ASSISTANT, TextPart(text=""), TextPart(text="said"))
    assert _sent(ASK, blank, mixed) == _as_sent(ASK, _row(Role.ASSISTANT, TextPart(text="said")))


def test_a_signature_without_words_goes_back() -> None:
    signed = _row(Role.ASSISTANT, ReasoningPart(text="", provider_metadata={"signature": "s"}))
    assert _sent(ASK, signed) == _as_sent(ASK, signed)


def test_files_go_out_as_they_are() -> None:
    row = _row(Role.USER, FilePart(media_type="image/png", data="AAAA"))
    assert _sent(row) == _as_sent(row)


@pytest.mark.parametrize(
    ("schema", "sound"),
    [
        ({}, {"type": "object", "properties": {}, "required": []}),
        (
            {"type": "object", "properties": None, "required": None},
            {"type": "object", "properties": {}, "required": []},
        ),
        (
            {"$schema": "x", "properties": {"a": {}}, "required": ["a"], "title": "t"},
            {"type": "object", "properties": {"a": {}}, "required": ["a"], "title": "t"},
        ),
    ],
)
def test_a_schema_is_an_object_with_nothing_left_open(
    schema: JsonObject, sound: JsonObject
) -> None:
    assert sound_schema(schema) == sound
    tool = ToolSpec(name="t", description="d", input_schema=schema)
    request = prepare(model=MODEL, system=None, history=[ASK], tools=[tool], attempt=0)
    assert request.tools == (replace(tool, input_schema=sound),)


IDS = st.sampled_from(["a", "b", "c.d"])
PARTS = st.one_of(
    st.builds(TextPart, text=st.sampled_from(["", "said"])),
    st.builds(_call, IDS, provider_executed=st.booleans()),
    st.builds(_result, IDS, name=st.sampled_from(["", "look"])),
)
ROWS = st.builds(
    replace,
    st.sampled_from([_row(Role.USER), _row(Role.ASSISTANT), _row(Role.TOOL)]),
    content=st.lists(PARTS, max_size=4).map(tuple),
)


@given(st.lists(ROWS, max_size=8))
def test_whatever_the_history_is_calls_and_results_pair_in_order(rows: list[Message]) -> None:
    waiting: list[str] = []
    for message in _messages(*rows):
        assert message.parts
        for part in message.parts:
            match part:
                case ToolCallPart(provider_executed=False):
                    waiting.append(part.tool_call_id)
                case ToolResultPart(provider_executed=False):
                    waiting.remove(part.tool_call_id)
                case _:
                    pass
    assert waiting == []


@given(st.lists(ROWS, max_size=8))
def test_repairing_twice_is_repairing_once(rows: list[Message]) -> None:
    once = _messages(*rows)
    again = _messages(*(_row(message.role, *message.parts) for message in once))
    assert again == once
