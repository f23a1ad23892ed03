"""The official client and our adapter get the same content from the same server."""

import asyncio
from collections.abc import Sequence

import openai
import orjson
import pytest
from pydantic import JsonValue

from shared.chats.model.parts import ReasoningPart, TextPart, ToolCallPart
from shared.config.dialect import Dialect
from tests.fakes.process import FakeModels
from tests.integration.providers.playing import KEY, ask, config, finish_of, parts_of, script
from tests.unit.providers.prompts import prompt
from workers.providers.openai_chat.client import OpenAIChat

Content = tuple[str, str, Sequence[tuple[str, str, str]], str, int]

SCRIPTS: list[list[dict[str, JsonValue]]] = [
    [{"text": "Hello"}, {"text": ", world"}],
    [{"reasoning": "let me "}, {"reasoning": "see"}, {"text": "grüße 🙂\n"}],
    [
        {"text": "both"},
        {"call": {"name": "add", "args": {"x": [1, 2]}, "id": "c1"}},
        {"call": {"name": "now", "id": "c2"}},
    ],
    [{"text": "cut"}, {"finish": "length"}, {"usage": {"input": 9, "output": 4}}],
    [],
]


def ours(models: FakeModels, message: str) -> Content:
    made = OpenAIChat(config(Dialect.OPENAI_CHAT, models.openai_url))
    [events] = ask(lambda: made, prompt(message))
    parts = parts_of(events)
    finish = finish_of(events)
    assert finish.usage is not None
    return (
        "".join(p.text for p in parts if isinstance(p, TextPart)),
        "".join(p.text for p in parts if isinstance(p, ReasoningPart)),
        [
            (p.tool_call_id, p.tool_name, orjson.dumps(p.args).decode())
            for p in parts
            if isinstance(p, ToolCallPart)
        ],
        finish.reason.value,
        finish.usage.output_tokens,
    )


def theirs(models: FakeModels, message: str) -> Content:
    async def run() -> Content:
        async with openai.AsyncOpenAI(api_key=KEY, base_url=models.openai_url) as client:
            completion = await client.chat.completions.create(
                model="upstream", messages=[{"role": "user", "content": message}]
            )
        choice = completion.choices[0]
        assert completion.usage is not None
        extra = choice.message.model_extra or {}
        return (
            choice.message.content or "",
            str(extra.get("reasoning_content", "")),
            [
                (call.id, call.function.name, call.function.arguments)
                for call in choice.message.tool_calls or []
                if call.type == "function"
            ],
            choice.finish_reason,
            completion.usage.completion_tokens,
        )

    return asyncio.run(run())


def theirs_streamed(models: FakeModels, message: str) -> Content:
    async def run() -> Content:
        said, thought, calls = "", "", dict[int, tuple[str, str, str]]()
        reason, tokens = "", 0
        async with openai.AsyncOpenAI(api_key=KEY, base_url=models.openai_url) as client:
            stream = await client.chat.completions.create(
                model="upstream",
                messages=[{"role": "user", "content": message}],
                stream=True,
                stream_options={"include_usage": True},
            )
            async for chunk in stream:
                tokens = chunk.usage.completion_tokens if chunk.usage else tokens
                for choice in chunk.choices:
                    said += choice.delta.content or ""
                    thought += str((choice.delta.model_extra or {}).get("reasoning_content", ""))
                    reason = choice.finish_reason or reason
                    for call in choice.delta.tool_calls or []:
                        before = calls.get(call.index, ("", "", ""))
                        function = call.function
                        assert function is not None
                        calls[call.index] = (
                            before[0] or call.id or "",
                            before[1] or function.name or "",
                            before[2] + (function.arguments or ""),
                        )
        return said, thought, list(calls.values()), reason, tokens

    return asyncio.run(run())


@pytest.mark.parametrize("steps", SCRIPTS)
def test_both_clients_get_the_same_content(
    models: FakeModels, steps: list[dict[str, JsonValue]]
) -> None:
    message = script(*steps)
    assert ours(models, message) == theirs(models, message) == theirs_streamed(models, message)
