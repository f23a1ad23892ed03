"""What of a history goes to Anthropic: its own as it came, another's as text, marks in place."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace

import orjson
import pytest
from pydantic import JsonValue

from shared.chats.model.messages import Role
from shared.chats.model.parts import (
    FilePart,
    Part,
    ReasoningPart,
    SourcePart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from shared.chats.store.codec import dump, load_part
from tests.fakes.anthropic_server import sse
from tests.unit.providers.prompts import assistant, prompt, said, user
from workers.providers.anthropic.answer import AnthropicAnswer
from workers.providers.anthropic.prompt import message_body
from workers.providers.http.error_mapping import Origin
from workers.providers.http.sse_decoder import SseDecoder
from workers.providers.protocol import PartDone, PromptMessage, Request, ToolSpec

ORIGIN = Origin(provider="p", dialect="anthropic")
MARK: Mapping[str, JsonValue] = {"type": "ephemeral"}

Json = dict[str, JsonValue]


def plain(request: Request) -> Json:
    """Return the body without its marks, as the API's own JSON."""
    text = orjson.dumps(message_body(request, ORIGIN)).decode()
    body: Json = orjson.loads(text.replace(',"cache_control":{"type":"ephemeral"}', ""))
    return body


def blocks(message: PromptMessage) -> object:
    messages = plain(prompt(message))["messages"]
    assert isinstance(messages, list)
    return [block for one in messages if isinstance(one, dict) for block in as_list(one["content"])]


def as_list(value: JsonValue) -> list[JsonValue]:
    assert isinstance(value, list)
    return value


def by(role: Role, *parts: Part) -> PromptMessage:
    return PromptMessage(role=role, parts=parts)


OWN_BLOCKS: list[Json] = [
    {"type": "thinking", "thinking": "hm\n ", "signature": "c2ln+/="},
    {"type": "redacted_thinking", "data": "eHl6"},
    {
        "type": "server_tool_use",
        "id": "srv",
        "name": "web_search",
        "input": {"zeta": 1, "alpha": {"b": 1.0, "a": "é"}},
        "caller": {"type": "direct"},
    },
    {
        "type": "web_search_tool_result",
        "tool_use_id": "srv",
        "content": [{"url": "https://a", "type": "web_search_result", "encrypted_content": "eA=="}],
    },
    {
        "type": "text",
        "text": "said ",
        "citations": [
            {"url": "https://a", "type": "web_search_result_location", "encrypted_index": "eQ=="}
        ],
    },
    {"type": "tool_use", "id": "c", "name": "f", "input": {"z": 1, "a": 2.0}, "caller": {"x": 1}},
    {"type": "text", "text": "plain"},
]


def received(origin: Origin) -> tuple[Part, ...]:
    """Let the adapter receive the blocks, then pass the parts through a store that sorts keys."""
    made, decoder = AnthropicAnswer(origin, {}), SseDecoder()
    parts: list[Part] = []
    for index, block in enumerate(OWN_BLOCKS):
        raw = sse("content_block_start", index=index, content_block=block)
        for event in decoder.feed(raw + sse("content_block_stop", index=index)):
            parts += [done.part for done in made.take(event) if isinstance(done, PartDone)]
    return tuple(stored(part) for part in parts)


def stored(part: Part) -> Part:
    kept: Json = orjson.loads(orjson.dumps(dump(part), option=orjson.OPT_SORT_KEYS))
    return load_part(kept)


def test_its_own_answer_goes_back_byte_for_byte() -> None:
    parts = received(ORIGIN)
    sent = blocks(by(Role.ASSISTANT, *parts))
    assert orjson.dumps(sent) == orjson.dumps(OWN_BLOCKS)


@pytest.mark.parametrize(
    "origin",
    [Origin(provider="q", dialect="anthropic"), Origin(provider="p", dialect="openai-chat")],
)
def test_the_answer_of_another_provider_goes_as_text_and_calls(origin: Origin) -> None:
    assert blocks(by(Role.ASSISTANT, *received(origin))) == [
        {"type": "text", "text": "<thinking>\nhm\n \n</thinking>"},
        {
            "type": "text",
            "text": '[called web_search: {"alpha":{"a":"é","b":1.0},"zeta":1}]',
        },
        {
            "type": "text",
            "text": ('[result of web_search: [{"type":"web_search_result","url":"https://a"}]]'),
        },
        {"type": "text", "text": "said "},
        {"type": "text", "text": "[source: https://a, https://a]"},
        {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 2.0, "z": 1}},
        {"type": "text", "text": "plain"},
    ]


def test_a_thought_without_a_signature_is_text() -> None:
    thought = ReasoningPart(
        text="hm", provider_metadata={"provider": "p", "dialect": "anthropic", "signature": ""}
    )
    assert blocks(by(Role.ASSISTANT, thought)) == [
        {"type": "text", "text": "<thinking>\nhm\n</thinking>"}
    ]


@pytest.mark.parametrize("args", ["{oops", 7, None, [1]])
def test_arguments_that_are_no_object_go_in_one(args: JsonValue) -> None:
    call = ToolCallPart(tool_call_id="c", tool_name="f", args=args)
    assert blocks(by(Role.ASSISTANT, call)) == [
        {"type": "tool_use", "id": "c", "name": "f", "input": {"arguments": args}}
    ]


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (
            FilePart(media_type="image/png", data="aGk="),
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": "aGk="},
            },
        ),
        (
            FilePart(media_type="application/pdf", data="aGk=", name="a.pdf"),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="},
                "title": "a.pdf",
            },
        ),
        (
            FilePart(media_type="text/plain", data=base64.b64encode(b"hi").decode(), name="a.txt"),
            {"type": "text", "text": "[a.txt, text/plain]\nhi"},
        ),
        (
            FilePart(media_type="audio/wav", data="aGk="),
            {"type": "text", "text": "[file, audio/wav: not shown to this model]"},
        ),
    ],
)
def test_a_file_of_the_user_is_sent_as_the_dialect_can(part: Part, block: JsonValue) -> None:
    assert blocks(by(Role.USER, part)) == [block]


def test_blank_text_is_left_out_and_an_empty_message_with_it() -> None:
    body = plain(prompt(user("q"), assistant(" \n"), user("r")))
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "q"}, {"type": "text", "text": "r"}]}
    ]


def test_results_go_into_one_users_message_with_what_the_user_says_next() -> None:
    image: JsonValue = {"media_type": "image/png", "data": "aGk=", "text": "a cat"}
    body = plain(
        prompt(
            by(Role.TOOL, ToolResultPart(tool_call_id="1", tool_name="f", result={"x": 1})),
            by(
                Role.TOOL,
                ToolResultPart(tool_call_id="2", tool_name="f", result="bad", is_error=True),
                ToolResultPart(tool_call_id="3", tool_name="f", result=image, is_media=True),
            ),
            user("go on"),
        )
    )
    assert body["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "1", "content": '{"x":1}'},
                {"type": "tool_result", "tool_use_id": "2", "content": "bad", "is_error": True},
                {
                    "type": "tool_result",
                    "tool_use_id": "3",
                    "content": [
                        {
                            "type": "image",
                            "source": {
                                "type": "base64",
                                "media_type": "image/png",
                                "data": "aGk=",
                            },
                        },
                        {"type": "text", "text": "a cat"},
                    ],
                },
                {"type": "text", "text": "go on"},
            ],
        }
    ]


def marked(request: Request) -> list[str]:
    """Return the text of every marked block, in order."""
    body = message_body(request, ORIGIN)
    found: list[str] = []

    def visit(value: JsonValue | Mapping[str, object] | Sequence[object]) -> None:
        if isinstance(value, Mapping):
            if "cache_control" in value:
                assert value["cache_control"] == MARK
                found.append(str(value.get("text", value.get("type"))))
            for inner in value.values():
                visit(inner)  # pyright: ignore[reportArgumentType] # JSON below JSON
        elif isinstance(value, Sequence) and not isinstance(value, str):
            for inner in value:
                visit(inner)  # pyright: ignore[reportArgumentType] # JSON below JSON

    visit(body)
    return sorted(found)


def test_the_last_system_message_and_the_last_two_messages_are_marked() -> None:
    request = prompt(said(Role.SYSTEM, "s1"), "u1", assistant("a1"), "u2")
    assert marked(replace(request, system="s0")) == ["a1", "s1", "u2"]


def test_the_mark_is_on_the_last_block_that_can_carry_one() -> None:
    own = {"provider": "p", "dialect": "anthropic", "signature": "s"}
    thought = ReasoningPart(text="hm", provider_metadata=own)
    answer = by(Role.ASSISTANT, TextPart(text="a1"), TextPart(text="a2"), thought)
    assert marked(prompt("u1", answer, "u2")) == ["a2", "u2"]
    assert marked(prompt("u1", by(Role.ASSISTANT, thought), "u2")) == ["u2"]


def test_a_source_of_its_own_is_not_repeated() -> None:
    own = {"provider": "p", "dialect": "anthropic"}
    source = SourcePart(source_id="1", url="https://a", title="A", provider_metadata=own)
    assert blocks(by(Role.ASSISTANT, source, TextPart(text="a"))) == [{"type": "text", "text": "a"}]


def test_the_rest_of_the_body_is_what_was_asked() -> None:
    tool = ToolSpec(name="f", description="Does", input_schema={"type": "object"})
    search: JsonValue = {"type": "web_search_20250305", "name": "web_search"}
    body = plain(
        replace(
            prompt("q", options={"tools": [search], "temperature": 0.5}),
            system="s",
            tools=(tool,),
            reasoning_effort="low",
            max_output_tokens=99,
        )
    )
    assert body == {
        "model": "upstream",
        "max_tokens": 99,
        "system": [{"type": "text", "text": "s"}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}],
        "stream": True,
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "low"},
        "temperature": 0.5,
        "tools": [
            {"name": "f", "description": "Does", "input_schema": {"type": "object"}},
            search,
        ],
    }


def test_a_limit_is_sent_even_if_none_was_asked_for() -> None:
    assert plain(prompt("q"))["max_tokens"] == 32_000
