"""Chunks as OpenAI and its many imitators send them, and what becomes of each."""

from collections.abc import Mapping, Sequence

import orjson
import pytest
from pydantic import JsonValue

from shared.chats.model.messages import Usage
from shared.chats.model.parts import Part, ReasoningPart, SourcePart, TextPart, ToolCallPart
from shared.failures.kinds import ProviderError, TransportFailed
from workers.providers.http.error_mapping import Origin
from workers.providers.http.sse_decoder import SseEvent
from workers.providers.openai_chat.answer import ChatAnswer
from workers.providers.protocol import (
    CallDelta,
    FinishReason,
    PartDone,
    StreamEnd,
    StreamEvent,
    TextDelta,
)

ORIGIN = Origin(provider="p", dialect="openai-chat")
STAMP: Mapping[str, JsonValue] = {"provider": "p", "dialect": "openai-chat"}

Json = dict[str, JsonValue]


class Ids:
    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> str:
        self.made += 1
        return f"made{self.made}"


def answer() -> ChatAnswer:
    return ChatAnswer(ORIGIN, {}, Ids())


def take(chat: ChatAnswer, chunk: JsonValue, name: str = "") -> list[StreamEvent]:
    return chat.take(SseEvent(name, orjson.dumps(chunk).decode()))


def delta(reason: str | None = None, **fields: JsonValue) -> Json:
    return {"id": "r", "choices": [{"index": 0, "delta": fields, "finish_reason": reason}]}


def call(name: str | None = None, args: JsonValue = None, **rest: JsonValue) -> Json:
    function: Json = {}
    if name is not None:
        function["name"] = name
    if args is not None:
        function["arguments"] = args
    return {"function": function, **rest}


def play(*chunks: Json) -> tuple[list[StreamEvent], StreamEnd]:
    chat = answer()
    events = [event for chunk in chunks for event in take(chat, chunk)]
    assert chat.complete
    return events, chat.finish()


def parts(*chunks: Json) -> list[Part]:
    events, _ = play(*chunks, delta("stop"))
    done = [event for event in events if isinstance(event, PartDone)]
    assert [event.index for event in sorted(done, key=lambda e: e.index)] == list(range(len(done)))
    return [event.part for event in sorted(done, key=lambda e: e.index)]


def calls(*pieces: Json) -> list[tuple[str, str, object]]:
    found = parts(*(delta(tool_calls=[piece]) for piece in pieces))
    return [(p.tool_call_id, p.tool_name, p.args) for p in found if isinstance(p, ToolCallPart)]


def test_text_comes_as_deltas_and_once_more_whole() -> None:
    events, _ = play(delta(role="assistant", content=""), delta(content="a"), delta("stop"))
    assert events == [TextDelta(0, "a"), PartDone(0, TextPart(text="a"))]


def test_text_after_reasoning_is_a_part_of_its_own() -> None:
    thought = ReasoningPart(text="hm", provider_metadata={**STAMP, "field": "reasoning"})
    assert parts(delta(reasoning="h"), delta(reasoning="m"), delta(content="a")) == [
        thought,
        TextPart(text="a"),
    ]


def test_a_server_that_sends_reasoning_in_both_fields_is_read_once() -> None:
    [part] = parts(delta(reasoning="hm", reasoning_content="hm"))
    assert isinstance(part, ReasoningPart)
    assert part.text == "hm"


def test_reasoning_details_are_kept_with_their_part() -> None:
    one: Json = {"type": "reasoning.text", "text": "h"}
    two: Json = {"type": "reasoning.encrypted", "data": "x"}
    [thought, said] = parts(
        delta(reasoning="h", reasoning_details=[one]),
        delta(reasoning_details=[two]),
        delta(content="a"),
    )
    assert thought.provider_metadata == {
        **STAMP,
        "field": "reasoning",
        "details": [orjson.dumps(one).decode(), orjson.dumps(two).decode()],
    }
    assert said == TextPart(text="a")


def test_content_in_typed_pieces_is_read() -> None:
    thinking: Json = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    said: Json = {"type": "text", "text": "a"}
    [thought, text] = parts(delta(content=[thinking]), delta(content=[said]))
    assert isinstance(thought, ReasoningPart)
    assert (thought.text, text) == ("hm", TextPart(text="a"))


CALLS: list[tuple[list[Json], list[tuple[str, str, JsonValue]]]] = [
    # As OpenAI sends them: the id and the name first, then arguments under the same index.
    (
        [
            call("f", "", index=0, id="a"),
            call(None, '{"x":', index=0),
            call(None, "1}", index=0),
        ],
        [("a", "f", {"x": 1})],
    ),
    # Two calls that interleave.
    (
        [
            call("f", "", index=0, id="a"),
            call("g", "", index=1, id="b"),
            call(None, "[1]", index=0),
            call(None, "[2]", index=1),
        ],
        [("a", "f", [1]), ("b", "g", [2])],
    ),
    # Every call under index 0.
    (
        [call("f", "{}", index=0, id="a"), call("g", "{}", index=0, id="b")],
        [("a", "f", {}), ("b", "g", {})],
    ),
    # No index at all, the id repeated.
    (
        [call("f", '{"x":', id="a"), call(None, "1}", id="a"), call("g", "{}", id="b")],
        [("a", "f", {"x": 1}), ("b", "g", {})],
    ),
    # Neither index nor id on later deltas.
    ([call("f", '{"x":', id="a"), call(None, "1}")], [("a", "f", {"x": 1})]),
    # No ids: each gets one of ours.
    ([call("f", "{}"), call("g", "{}")], [("made1", "f", {}), ("made2", "g", {})]),
    ([call("f", "{}", index=0, id="")], [("made1", "f", {})]),
    # The same id for two calls.
    (
        [call("f", "{}", index=0, id="a"), call("g", "{}", index=1, id="a")],
        [("a", "f", {}), ("made1", "g", {})],
    ),
    # The name and the id repeated on every delta.
    (
        [call("f", "[1", index=0, id="a"), call("f", "]", index=0, id="a")],
        [("a", "f", [1])],
    ),
    # The name late.
    ([call("", "", index=0, id="a"), call("f", "[]", index=0)], [("a", "f", [])]),
    # Arguments as an object, as nothing, as what is no JSON.
    ([call("f", {"x": 1}, index=0, id="a")], [("a", "f", {"x": 1})]),
    ([call("f", None, index=0, id="a")], [("a", "f", {})]),
    ([call("f", '{"x', index=0, id="a")], [("a", "f", '{"x')]),
]


@pytest.mark.parametrize(("pieces", "found"), CALLS)
def test_calls_are_told_apart(pieces: list[Json], found: list[tuple[str, str, object]]) -> None:
    assert calls(*pieces) == found


def test_the_deltas_of_a_call_carry_its_id_and_its_name() -> None:
    events, finish = play(
        delta(tool_calls=[call("f", "", index=0, id="a")]),
        delta(tool_calls=[call(None, "{}", index=0)]),
        delta("stop"),
    )
    assert events[:2] == [CallDelta(0, "a", "f", ""), CallDelta(0, "a", "f", "{}")]
    assert finish.reason is FinishReason.TOOL_CALLS  # whatever the server calls it


def test_more_of_a_call_that_never_began_is_a_broken_stream() -> None:
    with pytest.raises(TransportFailed):
        take(answer(), delta(tool_calls=[call(None, "{}", index=3)]))


def test_what_else_a_server_says_of_a_call_is_kept() -> None:
    extra: Json = {"google": {"thought_signature": "s"}}
    [part] = parts(delta(tool_calls=[call("f", "{}", index=0, id="a", extra_content=extra)]))
    kept = orjson.dumps({"extra_content": extra}).decode()
    assert part.provider_metadata == {**STAMP, "extra": kept}


@pytest.mark.parametrize("raw", ['{"b": 1,  "a": 1.50}', "[1, 2]", '"x"', "7 ", '{"n": 1e3}'])
def test_arguments_are_kept_as_they_came(raw: str) -> None:
    pieces = [call("f", raw[:3], index=0, id="a"), call(None, raw[3:], index=0)]
    [part] = parts(*(delta(tool_calls=[piece]) for piece in pieces))
    assert part.provider_metadata == {**STAMP, "args": raw}


@pytest.mark.parametrize("raw", ["", "  ", "{}", '{"x'])
def test_arguments_that_a_store_can_not_change_are_kept_once(raw: str) -> None:
    [part] = parts(delta(tool_calls=[call("f", raw, index=0, id="a")]))
    assert part.provider_metadata is None


def test_text_on_both_sides_of_a_thought_is_one_text() -> None:
    [first, _, second] = parts(delta(content="a"), delta(reasoning="hm"), delta(content="b"))
    assert first == TextPart(text="a")
    assert second == TextPart(text="b", provider_metadata={**STAMP, "goes_on": True})


def test_a_refusal_is_text_and_a_withheld_answer() -> None:
    events, finish = play(delta(refusal="I can't"), delta("stop"))
    done = PartDone(0, TextPart(text="I can't", provider_metadata={**STAMP, "refusal": True}))
    assert events == [TextDelta(0, "I can't"), done]
    assert finish.reason is FinishReason.CONTENT_FILTER


def test_a_citation_is_a_source() -> None:
    citation: Json = {"type": "url_citation", "url_citation": {"url": "https://a", "title": "A"}}
    assert parts(delta(content="a"), delta(annotations=[citation]))[1] == SourcePart(
        source_id="https://a", url="https://a", title="A"
    )


@pytest.mark.parametrize(
    ("reason", "read"),
    [
        ("stop", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("tool_calls", FinishReason.TOOL_CALLS),
        ("content_filter", FinishReason.CONTENT_FILTER),
        ("eos", FinishReason.OTHER),
    ],
)
def test_the_reason_is_read(reason: str, read: FinishReason) -> None:
    assert play(delta(reason))[1].reason is read


@pytest.mark.parametrize("reason", [None, ""])
def test_no_reason_is_no_end(reason: str | None) -> None:
    chat = answer()
    take(chat, delta(reason, content="a"))
    assert not chat.complete


def test_other_choices_than_the_first_are_left_out() -> None:
    second: Json = {"index": 1, "delta": {"content": "b"}, "finish_reason": "stop"}
    chat = answer()
    assert take(chat, {"choices": [second]}) == []
    assert not chat.complete


def test_nothing_is_added_after_the_end() -> None:
    chat = answer()
    take(chat, delta("stop"))
    assert take(chat, delta(content="late")) == []


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 7,
                "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            Usage(input_tokens=6, output_tokens=7, reasoning_tokens=3, cache_read_tokens=4),
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 7, "prompt_cache_hit_tokens": 4},
            Usage(input_tokens=6, output_tokens=7, cache_read_tokens=4),
        ),
        (
            {"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 9}},
            Usage(cache_read_tokens=3),
        ),
        ({"prompt_tokens": None, "completion_tokens": -1, "prompt_tokens_details": None}, Usage()),
    ],
)
def test_usage_is_counted(said: Json, usage: Usage) -> None:
    _, finish = play(delta("stop"), {"choices": [], "usage": said, "context_window": 8})
    assert finish.usage == usage
    assert finish.metadata == {"usage": said, "context_window": 8}


def test_usage_before_the_end_counts_too() -> None:
    usage: Json = {"prompt_tokens": 1}
    _, finish = play({"choices": [], "usage": usage}, delta("stop"))
    assert finish.usage == Usage(input_tokens=1)


@pytest.mark.parametrize(
    ("chunk", "name", "message"),
    [
        ({"error": {"type": "t", "message": "Broken"}}, "", "Broken"),
        ({"error": "Broken"}, "", "Broken"),
        ({"message": "Broken"}, "error", "Broken"),
        ({"error": {"message": "Broken"}, **delta("error")}, "", "Broken"),
        (delta("error"), "", "the answer failed"),
    ],
)
def test_an_error_in_the_stream_is_raised(chunk: Json, name: str, message: str) -> None:
    with pytest.raises(ProviderError) as caught:
        take(answer(), chunk, name)
    assert caught.value.message == message
    assert caught.value.status_code == 0


@pytest.mark.parametrize("data", ["", "null", "[]", "{", "DONE"])
def test_an_event_that_is_no_chunk_is_a_broken_stream(data: str) -> None:
    with pytest.raises(TransportFailed):
        answer().take(SseEvent("", data))


def test_a_chunk_of_strange_types_does_no_harm() -> None:
    chat = answer()
    strange: Sequence[JsonValue] = [
        {},
        {"choices": None},
        {"choices": [None, 7, {}]},
        {"choices": [{"delta": {"content": 7, "tool_calls": {}, "annotations": "x"}}]},
        {"choices": [{"delta": None, "finish_reason": 7}]},
        {"usage": 7},
    ]
    assert [event for chunk in strange for event in take(chat, chunk)] == []
