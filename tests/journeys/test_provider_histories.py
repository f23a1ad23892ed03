"""What a provider sent goes back to it as it was, through PostgreSQL; others get it as text."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.fakes.anthropic_server import SIGNATURE, sse
from tests.fakes.process import FakeModels
from tests.journeys.fleet import Fleet
from tests.journeys.providing import wired
from tests.journeys.scripts import say, script
from tests.journeys.tooling import NEXT

RAW = '{"y": 2,  "x": 1}'
CALL = {"call": {"name": "add", "args": RAW, "id": "c1"}}
CALLING = script({"reasoning": "hm"}, CALL, NEXT, say("three"))
MARK = {"type": "ephemeral"}

BLOCKS: Sequence[dict[str, Any]] = (
    {"type": "thinking", "thinking": "let me see\n ", "signature": "c2lnbmF0dXJl+/="},
    {"type": "redacted_thinking", "data": "eHl6"},
    {
        "type": "server_tool_use",
        "id": "srvtoolu_1",
        "name": "web_search",
        "input": {"query": "stepwells", "max": 1.0},
        "caller": {"type": "direct"},
    },
    {
        "type": "web_search_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": [
            {
                "url": "https://a.example",
                "type": "web_search_result",
                "title": "Wells",
                "encrypted_content": "ZW5j",
                "page_age": None,
            }
        ],
    },
    {
        "type": "text",
        "text": "They are wells.",
        "citations": [
            {
                "url": "https://a.example",
                "type": "web_search_result_location",
                "title": "Wells",
                "encrypted_index": "aWR4",
                "cited_text": "wells",
            }
        ],
    },
)
DETAILS = (
    {"type": "reasoning.text", "text": "hm", "signature": "c2ln", "index": 0},
    {"type": "reasoning.encrypted", "id": "r", "data": "ZW5j"},
)


def as_events(blocks: Sequence[Mapping[str, Any]]) -> str:
    """Return a stream of the messages API that brings these blocks, in deltas as it does."""
    grows = {"thinking": "thinking_delta", "text": "text_delta"}
    body = sse("message_start", message={"id": "msg_1", "model": "claude", "usage": {}})
    for index, block in enumerate(blocks):
        start, deltas = dict(block), list[dict[str, Any]]()
        kind = block["type"]
        if kind in grows:
            start[kind] = ""
            deltas.append({"type": grows[kind], kind: block[kind]})
        if "signature" in block:
            start["signature"] = ""
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        if "citations" in block:
            start["citations"] = []
            deltas += [{"type": "citations_delta", "citation": one} for one in block["citations"]]
        if "input" in block:
            start["input"] = {}
            deltas.append({"type": "input_json_delta", "partial_json": json.dumps(block["input"])})
        body += sse("content_block_start", index=index, content_block=start)
        for delta in deltas:
            body += sse("content_block_delta", index=index, delta=delta)
        body += sse("content_block_stop", index=index)
    body += sse("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 9})
    return (body + sse("message_stop")).decode()


def as_chunks(*deltas: Mapping[str, Any]) -> str:
    """Return a stream of chat completions that brings these deltas."""
    choices: list[Mapping[str, Any]] = [{"index": 0, "delta": delta} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    return "".join(f"data: {json.dumps({'choices': [choice]})}\n\n" for choice in choices)


SEARCHED = wired(body=as_events(BLOCKS))
THOUGHT = wired(
    body=as_chunks(
        {"content": "They "},
        {"reasoning": "hm", "reasoning_details": [DETAILS[0]]},
        {"reasoning_details": [DETAILS[1]]},
        {"content": "are wells."},
    )
)


@pytest.fixture
def models(fake_models: FakeModels) -> FakeModels:
    """The fake models without memories of other tests."""
    fake_models.forget()
    return fake_models


def say_all(fleet: Fleet, *said: tuple[str, str]) -> str:
    """Have a conversation, each message with its model; return the chat's id."""
    (first, model), *others = said
    chat = fleet.new_chat(first, model=model)
    assert fleet.turn(chat["id"], chat["turn_id"])["status"] == "finished"
    for content, model in others:
        fleet.ask("PATCH", f"/v1/chats/{chat['id']}", {"model": model})
        sent = fleet.send(chat["id"], content)
        assert fleet.turn(chat["id"], sent["turn_id"])["status"] == "finished"
    return chat["id"]


def heard(models: FakeModels, number: int = -1) -> list[dict[str, Any]]:
    """Return the messages of one request, without the marks for the provider's cache."""
    body = models.requests()[number].body
    assert body is not None
    text = json.dumps(body["messages"])
    return json.loads(text.replace(f', "cache_control": {json.dumps(MARK)}', ""))


def of(role: str, messages: Sequence[dict[str, Any]]) -> list[Any]:
    return [message["content"] for message in messages if message["role"] == role]


def test_the_messages_api_gets_back_what_it_sent(provider_fleet: Fleet, models: FakeModels) -> None:
    chat_id = say_all(provider_fleet, (SEARCHED, "claude"), (CALLING, "claude"), ("So?", "claude"))
    searched, called, answered = of("assistant", heard(models))
    assert json.dumps(searched) == json.dumps(BLOCKS)
    assert json.dumps(called) == json.dumps(
        [
            {"type": "thinking", "thinking": "hm", "signature": SIGNATURE},
            {"type": "tool_use", "id": "c1", "name": "add", "input": {"y": 2, "x": 1}},
        ]
    )
    assert answered == [{"type": "text", "text": "three"}]
    shown = json.dumps(provider_fleet.transcript(chat_id)[1:])
    for secret in ("provider_metadata", SIGNATURE, "c2lnbmF0dXJl", "eHl6", "ZW5j", "aWR4"):
        assert secret not in shown


def test_chat_completions_get_back_what_they_sent(
    provider_fleet: Fleet, models: FakeModels
) -> None:
    say_all(provider_fleet, (THOUGHT, "gpt"), (CALLING, "gpt"), ("So?", "gpt"))
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": RAW}}
    [_, _, _, called, result] = heard(models, 2)
    assert json.dumps(called) == json.dumps(
        {"role": "assistant", "reasoning_content": "hm", "content": None, "tool_calls": [call]}
    )
    assert result == {"role": "tool", "tool_call_id": "c1", "content": "3"}
    thought, called, answered = (m for m in heard(models) if m["role"] == "assistant")
    assert json.dumps(thought) == json.dumps(
        {"role": "assistant", "reasoning_details": DETAILS, "content": "They are wells."}
    )
    assert json.dumps(called) == json.dumps(
        {"role": "assistant", "content": None, "tool_calls": [call]}
    )
    assert answered == {"role": "assistant", "content": "three"}


def test_a_chat_goes_from_one_provider_to_the_other_and_back(
    provider_fleet: Fleet, models: FakeModels
) -> None:
    say_all(
        provider_fleet,
        (SEARCHED, "claude"),
        (CALLING, "gpt"),
        (CALLING, "claude"),
        ("So?", "gpt"),
        ("And?", "claude"),
    )
    searched, called, _, again, *_ = (m for m in heard(models, -2) if m["role"] == "assistant")
    assert searched["content"].startswith("<thinking>\nlet me see\n \n</thinking>")
    assert '[called web_search: {"max":1.0,"query":"stepwells"}]' in searched["content"]
    assert "They are wells." in searched["content"]
    assert "eHl6" not in searched["content"]
    assert called["tool_calls"][0]["function"]["arguments"] == RAW
    assert json.loads(again["tool_calls"][0]["function"]["arguments"]) == {"x": 1, "y": 2}
    assert again["content"] == "<thinking>\nhm\n</thinking>"

    searched, called, _, again, *_ = of("assistant", heard(models))
    assert json.dumps(searched) == json.dumps(BLOCKS)
    use = {"type": "tool_use", "id": "c1", "name": "add"}
    assert called == [
        {"type": "text", "text": "<thinking>\nhm\n</thinking>"},
        {**use, "input": {"x": 1, "y": 2}},
    ]
    assert json.dumps(again) == json.dumps(
        [
            {"type": "thinking", "thinking": "hm", "signature": SIGNATURE},
            {**use, "input": {"y": 2, "x": 1}},
        ]
    )


def test_a_turn_that_the_provider_pauses_goes_on(provider_fleet: Fleet, models: FakeModels) -> None:
    paused = script(say("I search. "), {"finish": "pause"}, NEXT, say("Found."))
    chat_id = say_all(provider_fleet, (paused, "claude"))
    [request] = of("assistant", heard(models))
    assert request == [{"type": "text", "text": "I search. "}]
    said = [m["content"][0]["text"] for m in provider_fleet.transcript(chat_id)[1:]]
    assert said == ["I search. ", "Found."]


def test_a_file_that_the_next_model_can_not_take_is_named_to_it(
    provider_fleet: Fleet, models: FakeModels
) -> None:
    sound = {"type": "file", "media_type": "audio/wav", "data": "aGk=", "name": "hi.wav"}
    body = {"content": [sound], "model": "gpt"}
    chat = provider_fleet.ask("POST", "/v1/chats", body)
    assert provider_fleet.turn(chat["id"], chat["turn_id"])["status"] == "finished"
    sent = provider_fleet.send(chat["id"], "What was it?", model="claude")
    assert provider_fleet.turn(chat["id"], sent["turn_id"])["status"] == "finished"
    [[first, *_], *_] = of("user", heard(models, 0))
    assert first == {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}
    [[first, *_], *_] = of("user", heard(models))
    assert first == {"type": "text", "text": "[hi.wav, audio/wav: not shown to this model]"}
