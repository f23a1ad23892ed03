"""The messages adapter against the fake server: answers, errors, and its own words sent back."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import anthropic
import orjson
import pytest
from pydantic import JsonValue

from shared.chats.model.messages import Role, Usage
from shared.chats.model.parts import Part, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from shared.config.dialect import Dialect
from shared.failures.kinds import ErrorKind, ProviderError, StreamTruncated
from tests.fakes.anthropic_server import SIGNATURE, sse
from tests.fakes.process import FakeModels
from tests.integration.providers.playing import (
    KEY,
    Speaker,
    ask,
    finish_of,
    parts_of,
    script,
)
from tests.unit.providers.prompts import prompt, user
from workers.failures.classify import classify
from workers.providers.protocol import FinishReason, PromptMessage

CALL: JsonValue = {"name": "add", "args": {"x": 1}, "id": "c1"}
STAMP: dict[str, JsonValue] = {"provider": "p", "dialect": "anthropic"}

Json = dict[str, JsonValue]

BLOCKS: list[Json] = [
    {"type": "thinking", "thinking": "hm", "signature": "c2ln+/="},
    {"type": "redacted_thinking", "data": "eHl6"},
    {"type": "server_tool_use", "id": "srv", "name": "web_search", "input": {"z": 1, "a": "é"}},
    {
        "type": "web_search_tool_result",
        "tool_use_id": "srv",
        "content": [
            {
                "type": "web_search_result",
                "url": "https://a",
                "title": "A",
                "encrypted_content": "eA==",
                "page_age": None,
            }
        ],
    },
    {
        "type": "text",
        "text": "said",
        "citations": [
            {
                "type": "web_search_result_location",
                "url": "https://a",
                "title": "A",
                "encrypted_index": "eQ==",
                "cited_text": "x",
            }
        ],
    },
    {"type": "tool_use", "id": "c1", "name": "add", "input": {"z": 1, "a": 2}},
]


@pytest.fixture
def claude(models: FakeModels) -> Speaker:
    return Speaker(Dialect.ANTHROPIC, models.anthropic_url)


def streamed(blocks: Sequence[Json], reason: str = "tool_use") -> str:
    """Write the blocks as Anthropic streams them: empty at first, then in deltas."""
    message: Json = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "upstream",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 1},
    }
    raw = sse("message_start", message=message)
    for index, block in enumerate(blocks):
        first, deltas = _in_deltas(block)
        raw += sse("content_block_start", index=index, content_block=first)
        for delta in deltas:
            raw += sse("content_block_delta", index=index, delta=delta)
        raw += sse("content_block_stop", index=index)
    end: Json = {"stop_reason": reason, "stop_sequence": None}
    return (raw + sse("message_delta", delta=end, usage={"output_tokens": 9})).decode() + sse(
        "message_stop"
    ).decode()


def _in_deltas(block: Json) -> tuple[Json, list[Json]]:
    match block["type"]:
        case "text":
            citations = block["citations"]
            assert isinstance(citations, list)
            said: list[Json] = [{"type": "text_delta", "text": block["text"]}]
            cited: list[Json] = [{"type": "citations_delta", "citation": one} for one in citations]
            return {**block, "text": "", "citations": []}, said + cited
        case "thinking":
            thought: Json = {"type": "thinking_delta", "thinking": block["thinking"]}
            signed: Json = {"type": "signature_delta", "signature": block["signature"]}
            return {**block, "thinking": "", "signature": ""}, [thought, signed]
        case "tool_use" | "server_tool_use":
            args = orjson.dumps(block["input"]).decode()
            half = len(args) // 2
            pieces: list[Json] = [
                {"type": "input_json_delta", "partial_json": piece}
                for piece in (args[:half], args[half:])
            ]
            return {**block, "input": {}}, pieces
        case _:
            return block, []


def test_a_whole_answer_arrives_with_its_parts_and_its_usage(claude: Speaker) -> None:
    usage: JsonValue = {
        "input": 5,
        "output": 7,
        "reasoning": 3,
        "cache_read": 2,
        "cache_creation": 4,
    }
    events = claude.answer(
        script({"reasoning": "hm"}, {"text": "a"}, {"text": "b"}, {"call": CALL}, {"usage": usage})
    )
    assert parts_of(events) == [
        ReasoningPart(text="hm", provider_metadata={**STAMP, "signature": SIGNATURE}),
        TextPart(text="ab"),
        ToolCallPart(
            tool_call_id="c1",
            tool_name="add",
            args={"x": 1},
            provider_metadata={**STAMP, "args": '{"x":1}'},
        ),
    ]
    finish = finish_of(events)
    assert finish.reason is FinishReason.TOOL_CALLS
    assert finish.response_id == "msg_fake"
    assert finish.usage == Usage(
        input_tokens=5,
        output_tokens=7,
        reasoning_tokens=3,
        cache_read_tokens=2,
        cache_creation_tokens=4,
    )


def test_the_second_round_of_a_turn_goes_on_with_the_script(claude: Speaker) -> None:
    message = script({"call": CALL}, {"next": True}, {"text": "done"})
    call = ToolCallPart(tool_call_id="c1", tool_name="add", args={"x": 1})
    result = ToolResultPart(tool_call_id="c1", tool_name="add", result=3)
    [events] = ask(
        claude.make,
        prompt(
            user(message),
            PromptMessage(role=Role.ASSISTANT, parts=(call,)),
            PromptMessage(role=Role.TOOL, parts=(result,)),
        ),
    )
    assert parts_of(events) == [TextPart(text="done")]


def test_an_answer_goes_back_to_its_provider_byte_for_byte(
    claude: Speaker, models: FakeModels
) -> None:
    parts = parts_of(claude.answer(script(wire={"body": streamed(BLOCKS)})))
    said = PromptMessage(role=Role.ASSISTANT, parts=tuple(parts))
    ask(claude.make, prompt(user("q"), said, user("r"), user("s")))
    body = models.requests()[-1].body
    assert body is not None
    messages = body["messages"]
    assert isinstance(messages, list)
    assert isinstance(messages[1], dict)
    assert orjson.dumps(messages[1]["content"]) == orjson.dumps(BLOCKS)


def test_the_marks_of_the_prompt_cache_are_where_they_should_be(
    claude: Speaker, models: FakeModels
) -> None:
    request = prompt(
        PromptMessage(role=Role.SYSTEM, parts=(TextPart(text="s1"),)),
        "u1",
        PromptMessage(role=Role.ASSISTANT, parts=(TextPart(text="a1"),)),
        "u2",
    )
    ask(claude.make, replace(request, system="s0"))
    mark: JsonValue = {"type": "ephemeral"}
    body = models.requests()[0].body
    assert body is not None
    assert body["system"] == [
        {"type": "text", "text": "s0"},
        {"type": "text", "text": "s1", "cache_control": mark},
    ]
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "u1"}]},
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "a1", "cache_control": mark}],
        },
        {"role": "user", "content": [{"type": "text", "text": "u2", "cache_control": mark}]},
    ]


@pytest.mark.parametrize(
    ("name", "status", "message", "kind"),
    [
        ("overloaded", 529, "Overloaded", ErrorKind.OVERLOADED),
        ("rate_limit", 429, "Rate limited", ErrorKind.RATE_LIMIT),
        ("server_error", 500, "Internal server error", ErrorKind.GENERIC),
    ],
)
@pytest.mark.parametrize("begun", [False, True])
def test_an_error_means_the_same_before_the_stream_and_in_it(
    claude: Speaker, name: str, status: int, message: str, kind: ErrorKind, begun: bool
) -> None:
    before: list[Json] = [{"text": "a"}] if begun else []
    with pytest.raises(ProviderError) as caught:
        claude.answer(script(*before, {"fail": name}))
    assert (caught.value.status_code, caught.value.message) == (status, message)
    failure = classify(caught.value, provider="anthropic")
    assert failure.kind is kind
    assert failure.retryable
    assert failure.detail == message


def test_a_truncated_stream_is_the_one_that_the_classifier_knows(claude: Speaker) -> None:
    with pytest.raises(StreamTruncated) as caught:
        claude.answer(script({"text": "a"}, {"truncate": True}))
    assert str(caught.value) == "anthropic stream closed before message_stop"
    assert classify(caught.value).kind is ErrorKind.TIMEOUT


def test_an_answer_that_the_server_did_not_stream_is_read_too(claude: Speaker) -> None:
    message = script({"reasoning": "hm"}, {"text": "ab"}, {"call": CALL})
    [whole] = ask(claude.make, prompt(message, options={"stream": False}))
    assert parts_of(whole) == parts_of(claude.answer(message))
    assert finish_of(whole) == finish_of(claude.answer(message))


@pytest.mark.parametrize(
    "message",
    [
        script({"text": "Hello"}, {"text": ", world"}),
        script({"reasoning": "hm"}, {"text": "grüße 🙂\n"}, {"finish": "length"}),
        script({"text": "both"}, {"call": CALL}, {"call": {"name": "now", "id": "c2"}}),
        script(wire={"body": streamed(BLOCKS)}),
        script(wire={"body": streamed([], reason="pause_turn")}),
    ],
)
def test_the_official_client_gets_the_same_content(
    claude: Speaker, models: FakeModels, message: str
) -> None:
    async def theirs() -> anthropic.types.Message:
        async with anthropic.AsyncAnthropic(api_key=KEY, base_url=models.anthropic_url) as client:
            stream = client.messages.stream(
                model="upstream", max_tokens=9, messages=[{"role": "user", "content": message}]
            )
            async with stream as opened:
                return await opened.get_final_message()

    final = asyncio.run(theirs())
    events = claude.answer(message)
    ours = parts_of(events)
    said = [block for block in final.content if block.type == "text"]
    thought = [block for block in final.content if block.type == "thinking"]
    called = [
        block
        for block in final.content
        if block.type == "tool_use" or block.type == "server_tool_use"
    ]
    assert _texts(ours, TextPart) == [block.text for block in said]
    assert [t for t in _texts(ours, ReasoningPart) if t] == [b.thinking for b in thought]
    assert [(p.tool_call_id, p.tool_name, p.args) for p in ours if isinstance(p, ToolCallPart)] == [
        (block.id, block.name, block.input) for block in called
    ]
    usage = finish_of(events).usage
    assert usage is not None
    assert usage.output_tokens == final.usage.output_tokens
    assert usage.input_tokens == final.usage.input_tokens
    assert finish_of(events).response_id == final.id


def _texts(parts: Sequence[Part], kind: type[TextPart] | type[ReasoningPart]) -> list[str]:
    return [part.text for part in parts if isinstance(part, kind)]
