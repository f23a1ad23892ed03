"""What is stored of a value is the value, as far as it can be stored at all."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import cast

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from shared.chats.model.chat import DynamicTool, PendingCall
from shared.chats.model.ids import TurnId
from shared.chats.model.messages import Usage
from shared.chats.model.parts import (
    FilePart,
    Part,
    ReasoningPart,
    SourcePart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from shared.chats.model.timing import TurnTime
from shared.chats.model.turns import ChatError, RetryState
from shared.chats.store import codec
from shared.events.wire import public_part
from shared.jsonvalue import TOO_DEEP, JsonObject, JsonValue, storable

TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
JSON: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(TEXT, JSON, max_size=3)
TIMES = st.datetimes(timezones=st.just(UTC))
METADATA = st.none() | OBJECTS
MAYBE_TIME = st.none() | TIMES
TURN = TurnId(uuid7())
MOMENT = datetime(2026, 11, 20, 12, tzinfo=UTC)

PARTS: st.SearchStrategy[Part] = st.one_of(
    st.builds(TextPart, text=TEXT, provider_metadata=METADATA),
    st.builds(ReasoningPart, text=TEXT, provider_metadata=METADATA),
    st.builds(
        ToolCallPart,
        tool_call_id=TEXT,
        tool_name=TEXT,
        args=JSON,
        provider_executed=st.booleans(),
        created_at=MAYBE_TIME,
        provider_metadata=METADATA,
    ),
    st.builds(
        ToolResultPart,
        tool_call_id=TEXT,
        tool_name=TEXT,
        result=JSON,
        is_error=st.booleans(),
        is_media=st.booleans(),
        provider_executed=st.booleans(),
        created_at=MAYBE_TIME,
        provider_metadata=METADATA,
    ),
    st.builds(SourcePart, source_id=TEXT, url=TEXT, title=TEXT, provider_metadata=METADATA),
    st.builds(
        FilePart,
        media_type=TEXT,
        data=st.none() | TEXT,
        name=st.none() | TEXT,
        provider_metadata=METADATA,
    ),
)


def _stored(value: JsonValue) -> JsonValue:
    """Return a value as it comes back from the database."""
    return cast(JsonValue, orjson.loads(orjson.dumps(value)))


def _object(value: JsonValue) -> JsonObject:
    stored = _stored(value)
    assert isinstance(stored, Mapping)
    return stored


@given(st.lists(PARTS, max_size=4).map(tuple))
def test_content_comes_back_as_it_was(parts: tuple[Part, ...]) -> None:
    stored = _stored(codec.dump_parts(parts))
    assert isinstance(stored, Sequence)
    assert codec.load_parts(cast(Sequence[JsonObject], stored)) == parts


@given(st.builds(Usage, input_tokens=st.integers(0, 2**40), context_limit=st.integers(0, 2**40)))
def test_usage_comes_back_as_it_was(usage: Usage) -> None:
    assert codec.load_usage(_object(codec.dump(usage))) == usage


@given(st.builds(TurnTime, queue=st.floats(0, 1e9), commit=st.floats(0, 1e9)))
def test_times_come_back_as_they_were(time: TurnTime) -> None:
    assert codec.load_turn_time(_object(codec.dump(time))) == time


@given(
    st.builds(
        ChatError,
        message=TEXT,
        kind=TEXT,
        retryable=st.booleans(),
        turn_id=st.none() | st.just(TURN),
        detail=TEXT,
        provider=TEXT,
        status_code=st.integers(0, 999),
    )
)
def test_an_error_comes_back_as_it_was(error: ChatError) -> None:
    assert codec.load_error(_object(codec.dump(error))) == error


@given(
    st.builds(
        RetryState,
        attempt=st.integers(1, 99),
        delay_ms=st.integers(0, 10**9),
        error=TEXT,
        kind=TEXT,
        retryable=st.booleans(),
        retrying_at=TIMES,
        provider=TEXT,
        status_code=st.integers(0, 999),
    )
)
def test_a_back_off_comes_back_as_it_was(retry: RetryState) -> None:
    assert codec.load_retry(_object(codec.dump(retry))) == retry


@given(
    st.builds(
        PendingCall,
        tool_call_id=TEXT,
        tool_name=TEXT,
        args=JSON,
        deadline_at=TIMES,
        turn_id=st.just(TURN),
    )
)
def test_a_pending_call_comes_back_as_it_was(call: PendingCall) -> None:
    assert codec.load_pending_call(_object(codec.dump(call))) == call


@given(
    st.builds(
        DynamicTool,
        name=TEXT,
        description=TEXT,
        input_schema=OBJECTS,
        timeout_seconds=st.none() | st.floats(1, 100),
        default_result=JSON,
        has_default=st.booleans(),
    )
)
def test_a_dynamic_tool_comes_back_as_it_was(tool: DynamicTool) -> None:
    assert codec.load_tool(_object(codec.dump(tool))) == tool


def test_what_is_as_usual_is_not_stored() -> None:
    assert codec.dump(TextPart(text="hi")) == {"type": "text", "text": "hi"}
    assert codec.dump(Usage()) == {}


def test_a_time_of_any_zone_is_the_same_moment() -> None:
    moment = datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=2)))
    part = ToolCallPart(tool_call_id="c", tool_name="t", args=None, created_at=moment)
    loaded = codec.load_part(_object(codec.dump(part)))
    assert isinstance(loaded, ToolCallPart)
    assert loaded.created_at == moment


@pytest.mark.parametrize("stored", [{}, {"type": "hologram"}, {"type": 7}])
def test_a_part_of_an_unknown_type_is_refused(stored: JsonObject) -> None:
    with pytest.raises(ValueError, match="unknown type"):
        codec.load_part(stored)


@pytest.mark.parametrize(
    "stored",
    [
        {"type": "hologram", "depth": {"of": [1, 2]}, "provider_metadata": {"key": "k"}},
        {"type": "text", "words": ["newer"]},
        {"type": "reasoning", "text": None},
        {"type": "tool-call", "tool_name": "look", "args": {}},
        {"type": 7},
        {},
    ],
)
def test_a_part_that_can_not_be_read_is_told_as_one_and_kept_as_it_is(stored: JsonObject) -> None:
    said = TextPart(text="said")
    parts = codec.load_parts([codec.dump(said), stored])
    assert parts[0] == said
    assert isinstance(parts[1], TextPart)
    assert parts[1].text == "[a part that this version can't read]"
    assert codec.dump_parts(parts) == [codec.dump(said), stored]
    assert public_part(parts[1]) == {"type": "text", "text": codec.UNREADABLE}


@pytest.mark.parametrize(
    "value",
    [
        ToolCallPart(tool_call_id="c", tool_name="look", args={}, created_at=MOMENT),
        TextPart(text="said"),
    ],
)
def test_fields_of_a_newer_version_are_left_out(value: Part) -> None:
    assert codec.load_parts([{**codec.dump(value), "newer": {"deep": [1]}}]) == (value,)


def test_fields_of_a_newer_version_are_left_out_everywhere() -> None:
    newer: JsonObject = {"newer": 1}
    tool = DynamicTool(name="t", description="d", input_schema={})
    call = PendingCall(tool_call_id="c", tool_name="t", args={}, deadline_at=MOMENT, turn_id=TURN)
    retry = RetryState(
        attempt=1, delay_ms=1, error="e", kind="k", retryable=True, retrying_at=MOMENT
    )
    error = ChatError(message="m", kind="auth", retryable=False, turn_id=None)
    assert codec.load_usage({**codec.dump(Usage(input_tokens=1)), **newer}) == Usage(input_tokens=1)
    assert codec.load_turn_time({**codec.dump(TurnTime(queue=1)), **newer}) == TurnTime(queue=1)
    assert codec.load_tool({**codec.dump(tool), **newer}) == tool
    assert codec.load_pending_call({**codec.dump(call), **newer}) == call
    assert codec.load_retry({**codec.dump(retry), **newer}) == retry
    assert codec.load_error({**codec.dump(error), **newer}) == error


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"message": "m"},
        {"message": "m", "kind": "k", "retryable": True, "turn_id": "no id"},
    ],
)
def test_an_error_that_can_not_be_read_is_a_generic_one(stored: JsonObject) -> None:
    error = codec.load_error(stored)
    assert error is not None
    assert (error.kind, error.retryable, error.turn_id) == ("generic", False, None)


def test_what_is_not_there_is_nothing() -> None:
    assert codec.load_error(None) is None
    assert codec.load_retry(None) is None
    assert codec.load_usage(None) == Usage()
    assert codec.load_turn_time(None) == TurnTime()


@given(st.text(max_size=20))
def test_any_text_can_be_stored(text: str) -> None:
    stored = storable({text: [text]})
    assert json.loads(orjson.dumps(stored)) == stored
    written = orjson.dumps(stored).decode()
    assert "\\u0000" not in written.replace("\\\\", "")


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("whole 💩", "whole 💩"),
        ("a\x00b", "a\ufffdb"),
        ("\ud83d", "\ufffd"),
        ("\udca9 \ud83d", "\ufffd \ufffd"),
        ("\ud83d" + "\udca9", "💩"),
    ],
)
def test_text_is_kept_as_far_as_it_can_be(text: str, stored: str) -> None:
    assert storable(text) == stored


@pytest.mark.parametrize(
    ("number", "stored"),
    [
        (2**64 - 1, 2**64 - 1),
        (-(2**63), -(2**63)),
        (2**64, 2.0**64),
        (-(2**63) - 1, -(2.0**63)),
        (10**400, str(10**400)),
    ],
)
def test_numbers_are_kept_as_far_as_they_can_be(number: int, stored: JsonValue) -> None:
    assert storable(number) == stored
    assert storable(True) is True


def test_what_is_nested_too_deeply_is_cut_off() -> None:
    deep: JsonValue = "the end"
    for _ in range(900):
        deep = [deep]
    written = orjson.dumps(codec.dump(ToolCallPart(tool_call_id="c", tool_name="t", args=deep)))
    assert TOO_DEEP.encode() in written
    assert b"the end" not in written
