"""What of a history goes to a chat-completions server, and what of another model's answer."""

import base64
from collections.abc import Mapping, Sequence

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
from tests.unit.providers.prompts import prompt, said, user
from workers.providers.http.error_mapping import Origin
from workers.providers.openai_chat.prompt import chat_body
from workers.providers.protocol import PromptMessage

ORIGIN = Origin(provider="p", dialect="openai-chat")
MINE: Mapping[str, JsonValue] = {"provider": "p", "dialect": "openai-chat"}
THEIRS: Mapping[str, JsonValue] = {"provider": "claude", "dialect": "anthropic", "signature": "s"}
SAME_DIALECT: Mapping[str, JsonValue] = {**MINE, "provider": "q", "field": "reasoning"}


def written(*messages: PromptMessage) -> object:
    return chat_body(prompt(*messages), ORIGIN, limit_field="max_tokens")["messages"]


def by_model(*parts: Part) -> PromptMessage:
    return PromptMessage(role=Role.ASSISTANT, parts=parts)


def by_user(*parts: Part) -> PromptMessage:
    return PromptMessage(role=Role.USER, parts=parts)


@pytest.mark.parametrize(
    ("parts", "content"),
    [
        ([TextPart(text="a"), TextPart(text="b", provider_metadata=THEIRS)], "a\n\nb"),
        ([ReasoningPart(text="hm", provider_metadata=THEIRS)], "<thinking>\nhm\n</thinking>"),
        ([ReasoningPart(text="hm", provider_metadata=SAME_DIALECT)], "<thinking>\nhm\n</thinking>"),
        (
            [
                ToolCallPart(
                    tool_call_id="s",
                    tool_name="web_search",
                    args={"q": "x"},
                    provider_executed=True,
                    provider_metadata=THEIRS,
                ),
                ToolResultPart(
                    tool_call_id="s",
                    tool_name="web_search",
                    result=["hit"],
                    provider_executed=True,
                    provider_metadata=THEIRS,
                ),
            ],
            '[called web_search: {"q":"x"}]\n\n[result of web_search: ["hit"]]',
        ),
        (
            [SourcePart(source_id="1", url="https://a", title="A", provider_metadata=THEIRS)],
            "[source: A, https://a]",
        ),
        (
            [FilePart(media_type="image/png", data="aGk=", name="cat.png")],
            "[cat.png, image/png: not shown to this model]",
        ),
    ],
)
def test_what_another_provider_said_becomes_text(parts: Sequence[Part], content: str) -> None:
    assert written(by_model(*parts)) == [{"role": "assistant", "content": content}]


def test_hidden_thoughts_of_another_provider_are_left_out() -> None:
    redacted = ReasoningPart(text="", provider_metadata=THEIRS)
    assert written(by_model(redacted)) == []
    assert written(by_model(redacted, TextPart(text="a"))) == [
        {"role": "assistant", "content": "a"}
    ]


def test_its_own_thoughts_go_back_in_their_field_within_the_turn() -> None:
    thought = ReasoningPart(
        text="hm", provider_metadata={**MINE, "field": "reasoning", "details": ['{"b":1,"a":1}']}
    )
    call = ToolCallPart(tool_call_id="c", tool_name="f", args={})
    assert written(user("q"), by_model(thought, call)) == [
        {"role": "user", "content": "q"},
        {
            "role": "assistant",
            "reasoning": "hm",
            "reasoning_details": [{"b": 1, "a": 1}],
            "content": None,
            "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
    ]


def test_its_own_thoughts_of_an_earlier_turn_stay_away() -> None:
    thought = ReasoningPart(text="hm", provider_metadata={**MINE, "field": "reasoning"})
    assert written(by_model(thought, TextPart(text="a")), user("q")) == [
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "q"},
    ]


def test_the_details_of_its_own_thoughts_go_back_in_every_turn() -> None:
    kept = {**MINE, "field": "reasoning", "details": ['{"type":"encrypted","data":"x"}']}
    thought = ReasoningPart(text="hm", provider_metadata=kept)
    assert written(by_model(thought, TextPart(text="a")), user("q")) == [
        {
            "role": "assistant",
            "reasoning_details": [{"type": "encrypted", "data": "x"}],
            "content": "a",
        },
        {"role": "user", "content": "q"},
    ]


def test_its_own_text_is_one_again_without_the_thoughts_between() -> None:
    goes_on = TextPart(text="b", provider_metadata={**MINE, "goes_on": True})
    assert written(by_model(TextPart(text="a"), goes_on)) == [
        {"role": "assistant", "content": "ab"}
    ]


def test_its_own_arguments_go_back_as_they_came_and_to_others_as_json() -> None:
    raw = '{"b": 1,  "a": 1.50}'

    def arguments(stamp: Mapping[str, JsonValue]) -> str:
        kept = {**stamp, "args": raw}
        call = ToolCallPart(
            tool_call_id="c", tool_name="f", args={"a": 1.5, "b": 1}, provider_metadata=kept
        )
        [message] = orjson.loads(orjson.dumps(written(by_model(call))))
        return message["tool_calls"][0]["function"]["arguments"]

    assert arguments(MINE) == raw
    assert arguments(THEIRS) == arguments(SAME_DIALECT) == '{"a":1.5,"b":1}'


def test_what_it_said_of_its_own_call_goes_back_as_it_was() -> None:
    extra = '{"extra_content":{"google":{"thought_signature":"s"}}}'
    call = ToolCallPart(
        tool_call_id="c",
        tool_name="f",
        args="{oops",
        provider_metadata={**MINE, "extra": extra},
    )
    assert written(by_model(call)) == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "c",
                    "type": "function",
                    "function": {"name": "f", "arguments": "{oops"},
                    "extra_content": {"google": {"thought_signature": "s"}},
                }
            ],
        }
    ]


def test_its_own_refusal_goes_back_as_one() -> None:
    refusal = TextPart(text="I can't", provider_metadata={**MINE, "refusal": True})
    assert written(by_model(refusal)) == [{"role": "assistant", "refusal": "I can't"}]


@pytest.mark.parametrize(
    ("part", "content"),
    [
        (
            FilePart(media_type="application/pdf", data="aGk=", name="a.pdf"),
            {
                "type": "file",
                "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="},
            },
        ),
        (
            FilePart(media_type="audio/mpeg", data="aGk="),
            {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}},
        ),
        (
            FilePart(media_type="text/csv", data=base64.b64encode(b"a,b").decode(), name="t.csv"),
            {"type": "text", "text": "[t.csv, text/csv]\na,b"},
        ),
        (
            FilePart(media_type="text/csv", data="_", name="t.csv"),
            {"type": "text", "text": "[t.csv, text/csv: not readable as text]"},
        ),
        (
            FilePart(media_type="application/zip", data="aGk="),
            {"type": "text", "text": "[file, application/zip: not shown to this model]"},
        ),
        (
            FilePart(media_type="image/png", name="gone.png"),
            {"type": "text", "text": "[gone.png, image/png: not shown to this model]"},
        ),
    ],
)
def test_a_file_of_the_user_is_sent_as_the_dialect_can(part: FilePart, content: JsonValue) -> None:
    assert written(by_user(part)) == [{"role": "user", "content": [content]}]


def test_results_say_whether_they_are_errors_and_media_follow_as_a_users_message() -> None:
    image: JsonValue = {"media_type": "image/png", "data": "aGk=", "text": "a cat"}
    results = PromptMessage(
        role=Role.TOOL,
        parts=(
            ToolResultPart(tool_call_id="1", tool_name="f", result="fine"),
            ToolResultPart(tool_call_id="2", tool_name="f", result="no such file", is_error=True),
            ToolResultPart(tool_call_id="3", tool_name="f", result=image, is_media=True),
        ),
    )
    assert written(results) == [
        {"role": "tool", "tool_call_id": "1", "content": "fine"},
        {"role": "tool", "tool_call_id": "2", "content": "Error: no such file"},
        {"role": "tool", "tool_call_id": "3", "content": "a cat"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What the tools returned:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
            ],
        },
    ]


def test_system_messages_keep_their_places() -> None:
    assert written(said(Role.SYSTEM, "a"), user("q"), said(Role.SYSTEM, "b")) == [
        {"role": "system", "content": "a"},
        {"role": "user", "content": "q"},
        {"role": "system", "content": "b"},
    ]


def test_options_win_over_what_we_would_send() -> None:
    request = prompt("q", options={"stream_options": {"include_usage": False}, "top_k": 3})
    body = chat_body(request, ORIGIN, limit_field="max_tokens")
    assert body["stream_options"] == {"include_usage": False}
    assert body["top_k"] == 3
