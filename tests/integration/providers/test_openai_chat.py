"""The chat-completions adapter against the fake server: answers, errors, connections."""

from dataclasses import replace

import pytest
from pydantic import JsonValue

from shared.chats.model.messages import Role, Usage
from shared.chats.model.parts import FilePart, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from shared.config.dialect import Dialect
from shared.failures.kinds import ProviderError, StreamTruncated
from tests.fakes.process import FakeModels
from tests.integration.providers.playing import (
    KEY,
    ask,
    config,
    finish_of,
    parts_of,
    script,
)
from tests.unit.providers.prompts import prompt, user
from workers.providers.openai_chat.client import OpenAIChat
from workers.providers.protocol import FinishReason, PromptMessage, StreamEvent, ToolSpec

CALL: JsonValue = {"name": "add", "args": {"x": 1}, "id": "c1"}


def chat(models: FakeModels, key: str | None = KEY) -> OpenAIChat:
    return OpenAIChat(config(Dialect.OPENAI_CHAT, models.openai_url, key))


def answer(models: FakeModels, message: str) -> list[StreamEvent]:
    return ask(lambda: chat(models), prompt(message))[0]


def test_a_whole_answer_arrives_with_its_parts_and_its_usage(models: FakeModels) -> None:
    usage: JsonValue = {"input": 5, "output": 7, "reasoning": 3, "cache_read": 2}
    events = answer(
        models,
        script({"reasoning": "hm"}, {"text": "a"}, {"text": "b"}, {"call": CALL}, {"usage": usage}),
    )
    thought, said, call = parts_of(events)
    assert isinstance(thought, ReasoningPart)
    assert thought.text == "hm"
    assert said == TextPart(text="ab")
    assert replace(call, provider_metadata=None) == ToolCallPart(
        tool_call_id="c1", tool_name="add", args={"x": 1}
    )
    finish = finish_of(events)
    assert finish.reason is FinishReason.TOOL_CALLS
    assert finish.response_id == "chatcmpl-fake"
    assert finish.usage == Usage(
        input_tokens=5, output_tokens=7, reasoning_tokens=3, cache_read_tokens=2
    )


def test_the_request_says_everything_that_was_asked(models: FakeModels) -> None:
    image = FilePart(media_type="image/png", data="aGk=")
    result = ToolResultPart(tool_call_id="c1", tool_name="add", result={"sum": 3})
    call = ToolCallPart(tool_call_id="c1", tool_name="add", args={"x": 1})
    request = prompt(
        PromptMessage(role=Role.USER, parts=(TextPart(text="look"), image)),
        PromptMessage(role=Role.ASSISTANT, parts=(TextPart(text="ok"), call)),
        PromptMessage(role=Role.TOOL, parts=(result,)),
        options={"seed": 7},
    )
    tool = ToolSpec(name="add", description="Adds", input_schema={"type": "object"})
    ask(
        lambda: chat(models),
        replace(request, system="Be kind", tools=(tool,), max_output_tokens=9),
    )
    [seen] = models.requests()
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert seen.body == {
        "model": "upstream",
        "messages": [
            {"role": "system", "content": "Be kind"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "look"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
                ],
            },
            {
                "role": "assistant",
                "content": "ok",
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "add", "arguments": '{"x":1}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": '{"sum":3}'},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "add",
                    "description": "Adds",
                    "parameters": {"type": "object"},
                },
            }
        ],
        "max_tokens": 9,
        "seed": 7,
    }


def test_the_second_round_of_a_turn_goes_on_with_the_script(models: FakeModels) -> None:
    message = script({"call": CALL}, {"next": True}, {"text": "done"})
    result = ToolResultPart(tool_call_id="c1", tool_name="add", result=3)
    call = ToolCallPart(tool_call_id="c1", tool_name="add", args={"x": 1})
    [events] = ask(
        lambda: chat(models),
        prompt(
            user(message),
            PromptMessage(role=Role.ASSISTANT, parts=(call,)),
            PromptMessage(role=Role.TOOL, parts=(result,)),
        ),
    )
    assert parts_of(events) == [TextPart(text="done")]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_is_read_from_either_field(models: FakeModels, field: str) -> None:
    events = answer(models, script({"reasoning": "hm"}, wire={"reasoning_field": field}))
    [thought] = parts_of(events)
    assert isinstance(thought, ReasoningPart)
    assert thought.text == "hm"
    assert thought.provider_metadata is not None
    assert thought.provider_metadata["field"] == field


def test_an_answer_without_usage_is_complete(models: FakeModels) -> None:
    finish = finish_of(answer(models, script({"text": "a"}, wire={"usage": False})))
    assert finish.reason is FinishReason.STOP
    assert finish.usage is None


@pytest.mark.parametrize(
    ("fail", "status", "message"),
    [
        ("rate_limit", 429, "Rate limit exceeded"),
        ("server_error", 500, "Internal server error"),
        ({"status": 401, "type": "invalid_api_key", "message": "Bad key"}, 401, "Bad key"),
        ({"status": 418, "type": "teapot", "message": "Short"}, 418, "Short"),
    ],
)
def test_an_http_error_keeps_status_message_and_body(
    models: FakeModels, fail: JsonValue, status: int, message: str
) -> None:
    with pytest.raises(ProviderError) as caught:
        answer(models, script({"fail": fail}))
    assert (caught.value.status_code, caught.value.message) == (status, message)
    assert caught.value.provider == "p"
    assert message in caught.value.body
    assert len(models.requests()) == 1  # nothing below us tries again


def test_an_error_in_the_stream_has_no_status(models: FakeModels) -> None:
    with pytest.raises(ProviderError) as caught:
        answer(models, script({"text": "a"}, {"fail": "rate_limit"}))
    assert caught.value.status_code == 0
    assert caught.value.message == "Rate limit exceeded"
    assert "rate_limit_exceeded" in caught.value.body


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (
            {"content_type": "text/html", "body": "<html><b>Hello</b></html>"},
            "the provider answered with 'text/html' instead of an event stream",
        ),
        (
            {"content_type": "application/json", "body": '{"error": {"message": "No such thing"}}'},
            "No such thing",
        ),
        ({"content_type": "application/json", "body": '{"error": "Broken"}'}, "Broken"),
        (
            {"content_type": "application/json", "body": "{}"},
            "the provider answered with 'application/json' instead of an event stream",
        ),
    ],
)
def test_a_body_with_status_200_that_is_no_answer_is_an_error(
    models: FakeModels, wire: dict[str, JsonValue], message: str
) -> None:
    with pytest.raises(ProviderError) as caught:
        answer(models, script(wire=wire))
    assert caught.value.status_code == 0
    assert caught.value.message == message


def test_an_answer_that_the_server_did_not_stream_is_read_too(models: FakeModels) -> None:
    message = script({"reasoning": "hm"}, {"text": "ab"}, {"call": CALL})
    [whole] = ask(lambda: chat(models), prompt(message, options={"stream": False}))
    assert parts_of(whole) == parts_of(answer(models, message))
    assert finish_of(whole) == finish_of(answer(models, message))


@pytest.mark.parametrize("body", ["data: [DONE]\n\n", 'data: {"choices": []}\n\n'])
def test_done_is_no_end_without_a_reason(models: FakeModels, body: str) -> None:
    with pytest.raises(StreamTruncated):
        answer(models, script(wire={"body": body}))
