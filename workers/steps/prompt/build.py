"""Builds the provider's request from the history, repairing what can't be sent. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from shared.chats.model.messages import PromptRow
from shared.chats.model.parts import Part, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from shared.config.catalog import Model
from shared.jsonvalue import JsonObject, JsonValue
from workers.providers.protocol import PromptMessage, Request, ToolSpec
from workers.steps.prompt.gathering import gather
from workers.steps.prompt.pairing import pair

_FOREIGN = re.compile(r"[^A-Za-z0-9_-]")


def prepare(
    *,
    model: Model,
    system: str | None,
    history: Sequence[PromptRow],
    tools: Sequence[ToolSpec] = (),
    attempt: int,
) -> Request:
    """Return the request for one model call; `attempt` counts the step's failures so far."""
    messages = [PromptMessage(role=row.role, parts=_clean(row.content)) for row in history]
    paired = gather(pair([message for message in messages if message.parts]))
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
