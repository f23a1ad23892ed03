"""Events of the messages API, and what becomes of each."""

from collections.abc import Mapping

import orjson
import pytest
from pydantic import JsonValue

from shared.chats.model.messages import Usage
from shared.chats.model.parts import (
    Part,
    ReasoningPart,
    SourcePart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from shared.failures.kinds import ProviderError, TransportFailed
from tests.fakes.anthropic_server import sse
from workers.providers.anthropic.answer import AnthropicAnswer
from workers.providers.http.error_mapping import Origin
from workers.providers.http.sse_decoder import SseDecoder, SseEvent
from workers.providers.protocol import (
    CallDelta,
    FinishReason,
    PartDone,
    ReasoningDelta,
    StreamEnd,
    StreamEvent,
    TextDelta,
)

ORIGIN = Origin(provider="p", dialect="anthropic")
STAMP: Mapping[str, JsonValue] = {"provider": "p", "dialect": "anthropic"}

Json = dict[str, JsonValue]


def answer() -> AnthropicAnswer:
    return AnthropicAnswer(ORIGIN, {})


def start(block: Json, index: int = 0) -> bytes:
    return sse("content_block_start", index=index, content_block=block)


def delta(kind: str, index: int = 0, **fields: JsonValue) -> bytes:
    return sse("content_block_delta", index=index, delta={"type": kind, **fields})


def stop(index: int = 0) -> bytes:
    return sse("content_block_stop", index=index)


def play(*raw: bytes) -> tuple[list[StreamEvent], StreamEnd]:
    made, decoder = answer(), SseDecoder()
    events: list[StreamEvent] = []
    for piece in (*raw, sse("message_stop")):
        for event in decoder.feed(piece):
            events += made.take(event)
    assert made.complete
    return events, made.finish()


def parts(*raw: bytes) -> list[Part]:
    done = [event for event in play(*raw)[0] if isinstance(event, PartDone)]
    assert [event.index for event in done] == list(range(len(done)))
    return [event.part for event in done]


def test_text_comes_as_deltas_and_once_more_whole() -> None:
    events, _ = play(
        start({"type": "text", "text": ""}),
        delta("text_delta", text="a"),
        sse("ping"),
        delta("text_delta", text="b"),
        stop(),
    )
    assert events == [TextDelta(0, "a"), TextDelta(0, "b"), PartDone(0, TextPart(text="ab"))]


def test_a_thought_keeps_its_signature() -> None:
    events, _ = play(
        start({"type": "thinking", "thinking": "", "signature": ""}),
        delta("thinking_delta", thinking="hm"),
        delta("signature_delta", signature="c2ln"),
        stop(),
    )
    part = ReasoningPart(text="hm", provider_metadata={**STAMP, "signature": "c2ln"})
    assert events == [ReasoningDelta(0, ""), ReasoningDelta(0, "hm"), PartDone(0, part)]


def test_a_redacted_thought_shows_nothing_and_keeps_its_data() -> None:
    assert parts(start({"type": "redacted_thinking", "data": "eHl6"}), stop()) == [
        ReasoningPart(text="", provider_metadata={**STAMP, "redacted": "eHl6"})
    ]


def test_a_call_comes_as_deltas_and_once_more_whole() -> None:
    events, _ = play(
        start({"type": "tool_use", "id": "c", "name": "add", "input": {}}),
        delta("input_json_delta", partial_json=""),
        delta("input_json_delta", partial_json='{"x"'),
        delta("input_json_delta", partial_json=":1}"),
        stop(),
    )
    assert events == [
        CallDelta(0, "c", "add", ""),
        CallDelta(0, "c", "add", '{"x"'),
        CallDelta(0, "c", "add", ":1}"),
        PartDone(
            0,
            ToolCallPart(
                tool_call_id="c",
                tool_name="add",
                args={"x": 1},
                provider_metadata={**STAMP, "args": '{"x":1}'},
            ),
        ),
    ]


def test_a_call_without_arguments_has_an_empty_object() -> None:
    [call] = parts(start({"type": "tool_use", "id": "c", "name": "now", "input": {}}), stop())
    assert call == ToolCallPart(tool_call_id="c", tool_name="now", args={})


def test_what_else_stands_in_a_call_is_kept() -> None:
    caller: Json = {"type": "code_execution_20260120", "tool_id": "t"}
    block: Json = {"type": "tool_use", "id": "c", "name": "f", "input": {}, "caller": caller}
    [call] = parts(start(block), stop())
    assert call.provider_metadata == {
        **STAMP,
        "extra": orjson.dumps({"caller": caller}).decode(),
    }


SEARCH: Json = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
FOUND: Json = {
    "type": "web_search_tool_result",
    "tool_use_id": "s",
    "content": [
        {
            "type": "web_search_result",
            "url": "https://a",
            "title": "A",
            "encrypted_content": "eA==",
        }
    ],
}


def test_a_search_that_the_provider_ran_is_a_call_and_a_result_of_its_own() -> None:
    events, _ = play(
        start(SEARCH),
        delta("input_json_delta", partial_json='{"query": "x"}'),
        stop(),
        start(FOUND, 1),
        stop(1),
    )
    whole: Json = {**SEARCH, "input": {"query": "x"}}
    assert events == [
        PartDone(
            0,
            ToolCallPart(
                tool_call_id="s",
                tool_name="web_search",
                args={"query": "x"},
                provider_executed=True,
                provider_metadata={**STAMP, "block": orjson.dumps(whole).decode()},
            ),
        ),
        PartDone(
            1,
            ToolResultPart(
                tool_call_id="s",
                tool_name="web_search",
                result=[{"type": "web_search_result", "url": "https://a", "title": "A"}],
                provider_executed=True,
                provider_metadata={**STAMP, "block": orjson.dumps(FOUND).decode()},
            ),
        ),
    ]


def test_a_search_that_failed_is_an_error_result() -> None:
    content: Json = {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}
    [result] = parts(start({**FOUND, "content": content}), stop())
    assert isinstance(result, ToolResultPart)
    assert result.is_error
    assert result.tool_name == "web_search"


def test_citations_stay_with_their_text_and_each_page_is_a_source_once() -> None:
    citation: Json = {
        "type": "web_search_result_location",
        "url": "https://a",
        "title": "A",
        "encrypted_index": "eA==",
        "cited_text": "x",
    }
    said, source = parts(
        start({"type": "text", "text": "", "citations": []}),
        delta("text_delta", text="a"),
        delta("citations_delta", citation=citation),
        delta("citations_delta", citation=citation),
        stop(),
    )
    kept = orjson.dumps([citation, citation]).decode()
    assert said == TextPart(text="a", provider_metadata={**STAMP, "citations": kept})
    assert source == SourcePart(
        source_id="https://a", url="https://a", title="A", provider_metadata=STAMP
    )


def test_a_block_of_an_unknown_kind_is_left_out() -> None:
    events, _ = play(
        start({"type": "hologram"}),
        delta("text_delta", text="x"),
        stop(),
        start({"type": "text", "text": ""}, 1),
        delta("text_delta", 1, text="a"),
        stop(1),
    )
    assert events == [TextDelta(0, "a"), PartDone(0, TextPart(text="a"))]


def test_a_block_that_was_never_stopped_is_finished_with_the_message() -> None:
    assert parts(start({"type": "text", "text": ""}), delta("text_delta", text="a")) == [
        TextPart(text="a")
    ]


@pytest.mark.parametrize("raw", [delta("text_delta", 3, text="a"), stop(3)])
def test_more_of_a_block_that_never_began_is_a_broken_stream(raw: bytes) -> None:
    with pytest.raises(TransportFailed):
        play(raw)


@pytest.mark.parametrize(
    ("reason", "read"),
    [
        ("end_turn", FinishReason.STOP),
        ("stop_sequence", FinishReason.STOP),
        ("tool_use", FinishReason.TOOL_CALLS),
        ("max_tokens", FinishReason.LENGTH),
        ("model_context_window_exceeded", FinishReason.LENGTH),
        ("pause_turn", FinishReason.PAUSE),
        ("refusal", FinishReason.CONTENT_FILTER),
        ("boredom", FinishReason.OTHER),
    ],
)
def test_the_reason_is_read(reason: str, read: FinishReason) -> None:
    _, finish = play(sse("message_delta", delta={"stop_reason": reason}, usage={}))
    assert finish.reason is read


def test_the_counts_of_the_end_replace_those_of_the_beginning() -> None:
    began: Json = {
        "input_tokens": 10,
        "output_tokens": 1,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 4,
    }
    ended: Json = {
        "output_tokens": 7,
        "cache_read_input_tokens": None,
        "output_tokens_details": {"thinking_tokens": 2},
    }
    _, finish = play(
        sse("message_start", message={"id": "m", "model": "c", "usage": began}),
        sse("message_delta", delta={"stop_reason": "end_turn"}, usage=ended),
    )
    assert finish.response_id == "m"
    assert finish.usage == Usage(
        input_tokens=10,
        output_tokens=7,
        reasoning_tokens=2,
        cache_read_tokens=3,
        cache_creation_tokens=4,
    )


def test_a_reason_alone_is_no_end() -> None:
    made = answer()
    raw = sse("message_delta", delta={"stop_reason": "end_turn"}, usage={})
    for event in SseDecoder().feed(raw):
        made.take(event)
    assert not made.complete


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("overloaded_error", 529),
        ("rate_limit_error", 429),
        ("api_error", 500),
        ("authentication_error", 401),
        ("permission_error", 403),
        ("invalid_request_error", 400),
        ("not_found_error", 404),
        ("request_too_large", 413),
        ("timeout_error", 504),
        ("billing_error", 402),
        ("news_error", 0),
    ],
)
def test_an_error_in_the_stream_has_the_status_of_its_type(kind: str, status: int) -> None:
    with pytest.raises(ProviderError) as caught:
        play(sse("error", error={"type": kind, "message": "Broken"}))
    assert (caught.value.status_code, caught.value.message) == (status, "Broken")
    assert kind in caught.value.body


@pytest.mark.parametrize("event", [SseEvent("error", "oops"), SseEvent("error", "{}")])
def test_an_error_of_another_shape_is_an_error_too(event: SseEvent) -> None:
    with pytest.raises(ProviderError):
        answer().take(event)


@pytest.mark.parametrize("data", ["", "null", "[]", "{"])
def test_an_event_that_is_no_object_is_a_broken_stream(data: str) -> None:
    with pytest.raises(TransportFailed):
        answer().take(SseEvent("content_block_delta", data))
