"""An answer is collected from its events, finished or broken off."""

import pytest

from shared.chats.model.parts import ReasoningPart, TextPart, ToolCallPart
from shared.jsonvalue import JsonValue
from workers.providers.protocol import (
    CallDelta,
    FinishReason,
    PartDone,
    ReasoningDelta,
    StreamEnd,
    StreamEvent,
    TextDelta,
)
from workers.steps.answer.collect import CollectedAnswer


def _answer(*events: StreamEvent) -> CollectedAnswer:
    answer = CollectedAnswer()
    for event in events:
        answer.add(event)
    return answer


def test_deltas_add_up_in_their_places_though_parts_interleave() -> None:
    answer = _answer(
        ReasoningDelta(0, "let "),
        TextDelta(2, "It "),
        CallDelta(1, "c", "look", '{"a"'),
        ReasoningDelta(0, "me"),
        CallDelta(1, "c", "look", ": 1}"),
        TextDelta(2, "is"),
    )
    assert answer.parts == (
        ReasoningPart(text="let me"),
        ToolCallPart(tool_call_id="c", tool_name="look", args={"a": 1}),
        TextPart(text="It is"),
    )
    assert answer.finish is None


def test_the_finished_part_takes_the_place_of_its_deltas() -> None:
    whole = TextPart(text="It is", provider_metadata={"id": "x"})
    answer = _answer(TextDelta(0, "It "), PartDone(0, whole), TextDelta(1, "and"))
    assert answer.parts == (whole, TextPart(text="and"))


@pytest.mark.parametrize(
    ("raw", "args"),
    [("", ""), ('{"a": ', '{"a": '), ("[1, 2]", [1, 2]), ("null", None), ('"s"', "s")],
)
def test_arguments_that_are_no_json_stay_what_they_are(raw: str, args: JsonValue) -> None:
    [call] = _answer(CallDelta(0, "c", "look", raw)).parts
    assert isinstance(call, ToolCallPart)
    assert call.args == args


def test_the_terminal_event_is_remembered() -> None:
    finish = StreamEnd(reason=FinishReason.STOP)
    assert _answer(TextDelta(0, "It is"), finish).finish is finish
