"""The chat-completions adapter against the fake server: answers, errors, connections."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
from pydantic import JsonValue

from shared.chats.types import (
    FilePart,
    ReasoningPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
)
from shared.config.dialect import Dialect
from shared.errors.kinds import (
    ErrorKind,
    Preclassified,
    ProviderError,
    StreamTruncated,
    TransportFailed,
)
from tests.fakes.process import FakeModels
from tests.integration.providers.playing import (
    KEY,
    ask,
    collect,
    config,
    finish_of,
    opened,
    parts_of,
    script,
)
from tests.unit.providers.prompts import prompt, user
from workers.providers.base import FinishReason, PromptMessage, StreamEvent, TextDelta, ToolSpec
from workers.providers.openai_chat import OpenAIChat

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
    assert call == ToolCallPart(tool_call_id="c1", tool_name="add", args={"x": 1})
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


def test_without_a_key_no_authorization_is_sent(models: FakeModels) -> None:
    ask(lambda: chat(models, key=None), prompt("hi"))
    [seen] = models.requests()
    assert "authorization" not in seen.headers


def test_one_connection_serves_one_answer_after_the_other(models: FakeModels) -> None:
    ask(lambda: chat(models), *[prompt(f"hi {n}") for n in range(5)])
    numbers = {seen.connection for seen in models.requests()}
    assert len(models.requests()) == 5
    assert len(numbers) == 1


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


@pytest.mark.parametrize(
    "wire",
    [
        {"newline": "\r\n"},
        {"newline": "\r"},
        {"chunk": 1},
        {"chunk": 7, "newline": "\r\n"},
        {"content_type": "text/plain"},
        {"done": False},
    ],
)
def test_the_form_of_the_stream_makes_no_difference(
    models: FakeModels, wire: dict[str, JsonValue]
) -> None:
    steps = ({"reasoning": "hm"}, {"text": "grüße 🙂"}, {"call": CALL})
    assert answer(models, script(*steps, wire=wire)) == answer(models, script(*steps))


def test_an_answer_without_usage_is_complete(models: FakeModels) -> None:
    finish = finish_of(answer(models, script({"text": "a"}, wire={"usage": False})))
    assert finish.reason is FinishReason.STOP
    assert finish.usage is None


def test_a_connection_that_stays_open_after_the_answer_delays_its_end_a_little_only(
    models: FakeModels,
) -> None:
    began = time.monotonic()
    events = answer(models, script({"text": "a"}, wire={"hang": True}))
    assert finish_of(events).usage is not None
    assert time.monotonic() - began < 2
    assert models.wait_for_open(0)


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


def test_the_hint_when_to_come_back_is_kept(models: FakeModels) -> None:
    fail: JsonValue = {"status": 429, "message": "Slow", "retry_after": 12.5}
    with pytest.raises(ProviderError) as caught:
        answer(models, script({"fail": fail}))
    assert {k.lower(): v for k, v in caught.value.headers.items()}["retry-after"] == "12.5"


def test_an_error_in_the_stream_has_no_status(models: FakeModels) -> None:
    with pytest.raises(ProviderError) as caught:
        answer(models, script({"text": "a"}, {"fail": "rate_limit"}))
    assert caught.value.status_code == 0
    assert caught.value.message == "Rate limit exceeded"
    assert "rate_limit_exceeded" in caught.value.body


def test_a_server_that_recovers_is_asked_once_for_each_attempt(models: FakeModels) -> None:
    message = script({"fail_times": {"times": 2, "status": 503}}, {"text": "ok"}, key="recovers")

    async def run() -> tuple[list[int], list[StreamEvent]]:
        statuses: list[int] = []
        async with opened(chat(models)) as provider:
            for _ in range(2):
                with pytest.raises(ProviderError) as caught:
                    await collect(provider, prompt(message))
                statuses.append(caught.value.status_code)
            return statuses, await collect(provider, prompt(message))

    statuses, events = asyncio.run(run())
    assert statuses == [503, 503]
    assert parts_of(events) == [TextPart(text="ok")]


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


def test_an_html_error_page_shows_its_status_and_nothing_of_the_page(models: FakeModels) -> None:
    page = "<html>502 nginx</html>"
    wire: JsonValue = {"status": 502, "content_type": "text/html", "body": page}
    with pytest.raises(ProviderError) as caught:
        answer(models, script(wire=wire))
    assert (caught.value.status_code, caught.value.message) == (502, "")
    assert caught.value.body == page


def test_an_answer_that_the_server_did_not_stream_is_read_too(models: FakeModels) -> None:
    message = script({"reasoning": "hm"}, {"text": "ab"}, {"call": CALL})
    [whole] = ask(lambda: chat(models), prompt(message, options={"stream": False}))
    assert parts_of(whole) == parts_of(answer(models, message))
    assert finish_of(whole) == finish_of(answer(models, message))


def test_a_key_that_the_server_repeats_is_hidden(models: FakeModels) -> None:
    fail: JsonValue = {"status": 401, "type": KEY, "message": f"Incorrect key: {KEY}"}
    with pytest.raises(ProviderError) as caught:
        answer(models, script({"fail": fail}))
    assert caught.value.message == "Incorrect key: [key]"
    assert KEY not in caught.value.body
    assert KEY not in repr(caught.value)


@pytest.mark.parametrize("body", ["data: {oops\n\n", "data: []\n\n", "data: \xff\n\n"])
def test_a_stream_that_can_not_be_decoded_is_a_failure_of_the_transport(
    models: FakeModels, body: str
) -> None:
    with pytest.raises(TransportFailed) as caught:
        answer(models, script(wire={"body": body, "latin1": True}))
    assert caught.value.phase == "body"


@pytest.mark.parametrize(
    "body", ["", ": ping\n\n", "data: [DONE]\n\n", 'data: {"choices": []}\n\n']
)
def test_a_stream_without_its_end_is_truncated(models: FakeModels, body: str) -> None:
    with pytest.raises(StreamTruncated) as caught:
        answer(models, script(wire={"body": body}))
    assert (caught.value.provider, caught.value.dialect) == ("p", "openai-chat")


def test_a_connection_reset_before_the_answer_is_a_failure_of_the_transport(
    models: FakeModels,
) -> None:
    with pytest.raises(TransportFailed) as caught:
        answer(models, script(wire={"reset": True}))
    assert caught.value.phase == "headers"


def test_a_refused_connection_is_a_failure_to_connect() -> None:
    with pytest.raises(TransportFailed) as caught:
        ask(
            lambda: OpenAIChat(config(Dialect.OPENAI_CHAT, "http://127.0.0.1:1/v1")),
            prompt("hi"),
        )
    assert (caught.value.provider, caught.value.phase) == ("p", "connect")


def test_a_wire_that_falls_silent_times_out(models: FakeModels) -> None:
    def impatient() -> OpenAIChat:
        return OpenAIChat(config(Dialect.OPENAI_CHAT, models.openai_url), read_seconds=0.05)

    for silent in (script(wire={"silent": True}), script({"text": "a"}, {"stall": True})):
        with pytest.raises(Preclassified) as caught:
            ask(impatient, prompt(silent))
        assert caught.value.failure.kind is ErrorKind.TIMEOUT
        assert caught.value.failure.retryable


@pytest.mark.parametrize("message", [script({"stall": True}), script(wire={"silent": True})])
def test_cancelling_closes_the_connection_at_once(models: FakeModels, message: str) -> None:
    async def run() -> float:
        async with opened(chat(models)) as provider:
            task = asyncio.create_task(collect(provider, prompt(message)))
            await asyncio.to_thread(models.wait_for_requests, 1)
            cancelled = time.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(models.wait_for_open, 0)
            return cancelled

    cancelled = asyncio.run(run())
    [connection] = models.connections()
    assert connection.closed is not None
    assert connection.closed - cancelled < 0.05


def test_closing_the_generator_closes_the_connection_at_once(models: FakeModels) -> None:
    async def run() -> float:
        async with opened(chat(models)) as provider:
            stream = provider.stream(prompt(script({"text": "a"}, {"stall": True})))
            assert await anext(stream) == TextDelta(0, "a")
            closed = time.monotonic()
            await stream.aclose()
            assert await asyncio.to_thread(models.wait_for_open, 0)
            return closed

    closed = asyncio.run(run())
    [connection] = models.connections()
    assert connection.closed is not None
    assert connection.closed - closed < 0.05


def test_three_hundred_streams_run_at_once(models: FakeModels) -> None:
    message = script({"delay": 0.3}, {"text": "a"})

    async def run() -> Sequence[list[StreamEvent]]:
        async with opened(chat(models)) as provider:
            asked = [collect(provider, prompt(message)) for _ in range(300)]
            return await asyncio.gather(*asked)

    answers = asyncio.run(run())
    assert all(parts_of(events) == [TextPart(text="a")] for events in answers)
    assert len({seen.connection for seen in models.requests()}) == 300
