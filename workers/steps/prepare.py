"""Builds the provider's request from the history, repairing what can't be sent. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from shared.chats.types import (
    JsonObject,
    JsonValue,
    Message,
    Part,
    ReasoningPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from shared.config.catalog import Model
from workers.providers.base import PromptMessage, Request, ToolSpec

NO_RESULT = "The tool's result was lost."
"""What the model reads for a call whose result is not in the history."""

_FOREIGN = re.compile(r"[^A-Za-z0-9_-]")


def prepare(
    *,
    model: Model,
    system: str | None,
    history: Sequence[Message],
    tools: Sequence[ToolSpec] = (),
    attempt: int,
) -> Request:
    """Return the request for one model call; `attempt` counts the step's failures so far."""
    messages = [PromptMessage(role=row.role, parts=_clean(row.content)) for row in history]
    paired = _pair([message for message in messages if message.parts])
    return Request(
        model=model.name,
        provider=model.provider,
        upstream_model=model.upstream_model,
        system=system,
        messages=tuple(paired),
        tools=tuple(replace(tool, input_schema=sound_schema(tool.input_schema)) for tool in tools),
        max_output_tokens=model.max_output_tokens,
        reasoning_effort=model.reasoning_effort,
        options=cast(JsonObject, model.options),
        attempt=attempt,
    )


def sound_schema(schema: Mapping[str, JsonValue]) -> JsonObject:
    """Return a schema that every provider takes: an object, with nothing left open or null."""
    sound = {name: value for name, value in schema.items() if name != "$schema"}
    sound["type"] = "object"
    sound["properties"] = sound.get("properties") or {}
    sound["required"] = sound.get("required") or []
    return sound


def _clean(parts: Sequence[Part]) -> tuple[Part, ...]:
    return tuple(_clean_id(part) for part in parts if not _is_blank(part))


def _is_blank(part: Part) -> bool:
    # A reasoning part without text may carry a signature that has to go back.
    if isinstance(part, ReasoningPart):
        return not part.text.strip() and part.provider_metadata is None
    return isinstance(part, TextPart) and not part.text.strip()


def _clean_id(part: Part) -> Part:
    if isinstance(part, ToolCallPart | ToolResultPart):
        return replace(part, tool_call_id=_FOREIGN.sub("_", part.tool_call_id))
    return part


def _pair(messages: Sequence[PromptMessage]) -> list[PromptMessage]:
    """See to it that every local call is answered and every result was called for."""
    answered = {part.tool_call_id for part in _results(messages)}
    called: set[str] = set()
    paired: list[PromptMessage] = []
    for message in messages:
        orphans = [part for part in message.parts if _is_orphan(part, called)]
        named = [part for part in orphans if isinstance(part, ToolResultPart) and part.tool_name]
        paired.extend(_synthetic_call(result) for result in named)
        called |= {result.tool_call_id for result in named}
        # What is an orphan still has no name that a call could be made of.
        kept = tuple(part for part in message.parts if not _is_orphan(part, called))
        called |= {part.tool_call_id for part in kept if isinstance(part, ToolCallPart)}
        if kept:
            paired.append(replace(message, parts=kept))
        missing = [call for call in _local_calls(message) if call.tool_call_id not in answered]
        if missing:
            paired.append(_synthetic_results(missing))
    return paired


def _results(messages: Sequence[PromptMessage]) -> list[ToolResultPart]:
    return [
        part
        for message in messages
        for part in message.parts
        if isinstance(part, ToolResultPart) and not part.provider_executed
    ]


def _local_calls(message: PromptMessage) -> list[ToolCallPart]:
    return [
        part
        for part in message.parts
        if isinstance(part, ToolCallPart) and not part.provider_executed
    ]


def _is_orphan(part: Part, called: set[str]) -> bool:
    return (
        isinstance(part, ToolResultPart)
        and not part.provider_executed
        and part.tool_call_id not in called
    )


def _synthetic_call(result: ToolResultPart) -> PromptMessage:
    call = ToolCallPart(tool_call_id=result.tool_call_id, tool_name=result.tool_name, args={})
    return PromptMessage(role=Role.ASSISTANT, parts=(call,))


def _synthetic_results(calls: Sequence[ToolCallPart]) -> PromptMessage:
    results = tuple(
        ToolResultPart(
            tool_call_id=call.tool_call_id,
            tool_name=call.tool_name,
            result=NO_RESULT,
            is_error=True,
        )
        for call in calls
    )
    return PromptMessage(role=Role.TOOL, parts=results)
