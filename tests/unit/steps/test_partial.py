"""What is kept of an answer that broke off."""

from datetime import UTC, datetime

from uuid_utils.compat import uuid7

from shared.chats.model.ids import TurnId
from shared.chats.model.messages import NewMessage, Role
from shared.chats.model.parts import (
    Part,
    ReasoningPart,
    SourcePart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from shared.chats.moves.open_calls import NOT_RUN
from workers.steps.partial import partial_rows

NOW = datetime(2026, 1, 2, tzinfo=UTC)
TURN = TurnId(uuid7())


def _rows(*parts: Part) -> tuple[NewMessage, ...]:
    return partial_rows(parts, turn_id=TURN, model="m", now=NOW)


def _call(call_id: str, *, provider_executed: bool = False, args: str = "{") -> ToolCallPart:
    return ToolCallPart(
        tool_call_id=call_id, tool_name="look", args=args, provider_executed=provider_executed
    )


def _result(call_id: str, *, provider_executed: bool) -> ToolResultPart:
    return ToolResultPart(
        tool_call_id=call_id, tool_name="look", result=1, provider_executed=provider_executed
    )


def test_text_and_thoughts_are_kept_as_an_interrupted_answer() -> None:
    said = (ReasoningPart(text="hm"), TextPart(text="as far as I"))
    [row] = _rows(*said)
    assert (row.role, row.content, row.interrupted) == (Role.ASSISTANT, said, True)
    assert (row.turn_id, row.model) == (TURN, "m")
    assert (row.usage, row.provider_response_id) == (None, None)


def test_nothing_said_leaves_no_row() -> None:
    assert _rows() == ()
    assert _rows(TextPart(text=" "), ReasoningPart(text="")) == ()


def test_a_half_streamed_call_is_kept_and_answered() -> None:
    half = _call("a", args='{"path": "/')
    answer, results = _rows(TextPart(text="let me"), half)
    assert answer.content == (TextPart(text="let me"), half)
    assert results.role is Role.TOOL
    assert results.turn_id == TURN
    [result] = results.content
    assert result == ToolResultPart(
        tool_call_id="a", tool_name="look", result=NOT_RUN, is_error=True, created_at=NOW
    )


def test_every_call_of_ours_is_answered_in_its_order() -> None:
    _, results = _rows(_call("a"), _call("b"))
    ids = [part.tool_call_id for part in results.content if isinstance(part, ToolResultPart)]
    assert ids == ["a", "b"]


def test_a_call_that_has_its_result_gets_no_other() -> None:
    rows = _rows(_call("a"), _result("a", provider_executed=False), _call("b"))
    ids = [part.tool_call_id for part in rows[1].content if isinstance(part, ToolResultPart)]
    assert ids == ["b"]


def test_a_providers_own_call_stays_only_with_its_result() -> None:
    answered = _call("s", provider_executed=True)
    found = _result("s", provider_executed=True)
    source = SourcePart(source_id="1", url="u", title="t")
    [row] = _rows(answered, found, source, _call("t", provider_executed=True))
    assert row.content == (answered, found, source)
