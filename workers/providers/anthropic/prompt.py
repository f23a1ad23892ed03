"""Writes a request as the body of the messages API."""

from collections.abc import Iterator, Mapping, Sequence

import orjson

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
from shared.config.media import PDF
from shared.jsonvalue import JsonObject, JsonValue
from workers.providers.anthropic.cache_marks import cache_marks
from workers.providers.http.error_mapping import Origin
from workers.providers.http.json_access import EMPTY, items, load_object, text
from workers.providers.parts.as_text import described, media_of, result_text
from workers.providers.parts.metadata import own
from workers.providers.protocol import PromptMessage, Request, ToolSpec

DEFAULT_MAX_TOKENS = 32_000  # the API wants a limit; every current model takes this one

_IMAGES = {"image/png", "image/jpeg", "image/gif", "image/webp"}
_MARK: JsonObject = {"type": "ephemeral"}
_UNMARKED = {"thinking", "redacted_thinking"}  # blocks that may not carry a mark

_Block = dict[str, JsonValue]


def message_body(request: Request, origin: Origin) -> dict[str, JsonValue]:
    """Return the whole body. Messages of one role in a row become one, marks stay in place."""
    said = ((_system(request.system),) if request.system else ()) + request.messages
    marks = cache_marks([message.role for message in said])
    system: list[JsonValue] = []
    messages: list[tuple[str, list[JsonValue]]] = []
    for at, message in enumerate(said):
        blocks = list(_blocks(message, origin))
        if at in marks:
            _mark(blocks)
        role = "assistant" if message.role is Role.ASSISTANT else "user"
        if message.role is Role.SYSTEM and not messages:
            system.extend(blocks)
        elif messages and messages[-1][0] == role:
            messages[-1][1].extend(blocks)
        elif blocks:
            messages.append((role, list[JsonValue](blocks)))
    body: dict[str, JsonValue] = {
        "model": request.upstream_model,
        "max_tokens": request.max_output_tokens or DEFAULT_MAX_TOKENS,
        "messages": [{"role": role, "content": content} for role, content in messages],
        "stream": True,
    }
    if system:
        body["system"] = system
    if request.reasoning_effort is not None:
        body["thinking"] = {"type": "adaptive"}
        body["output_config"] = {"effort": request.reasoning_effort}
    body |= request.options
    tools = [*(_tool(tool) for tool in request.tools), *items(request.options.get("tools"))]
    return {**body, "tools": tools} if tools else body


def _system(said: str) -> PromptMessage:
    return PromptMessage(role=Role.SYSTEM, parts=(TextPart(text=said),))


def _mark(blocks: Sequence[_Block]) -> None:
    """Mark the last block that may be marked."""
    for block in reversed(blocks):
        if block["type"] not in _UNMARKED:
            block["cache_control"] = _MARK
            return


def _blocks(message: PromptMessage, origin: Origin) -> Iterator[_Block]:
    for part in message.parts:
        match message.role:
            case Role.ASSISTANT:
                block = _answered(part, own(origin, part.provider_metadata))
            case Role.TOOL if isinstance(part, ToolResultPart):
                block = _result(part)
            case _:
                block = _file(part) if isinstance(part, FilePart) else _text(described(part))
        if block is not None:
            yield block


def _answered(part: Part, mine: JsonObject | None) -> _Block | None:
    """Give a part of an answer back: as it came if it is this provider's own, else as text."""
    match part:
        case TextPart() if mine is not None and part.text:
            citations: JsonValue = orjson.loads(text(mine.get("citations")) or "null")
            return {"type": "text", "text": part.text, "citations": citations}
        case ReasoningPart() if mine is not None and "redacted" in mine:
            return {"type": "redacted_thinking", "data": mine["redacted"]}
        case ReasoningPart() if mine is not None and mine.get("signature"):
            signature = mine["signature"]
            return {"type": "thinking", "thinking": part.text, "signature": signature}
        case ToolCallPart(provider_executed=False):
            return _call(part, mine)
        case ToolCallPart() | ToolResultPart() if mine is not None:
            raw = load_object(text(mine.get("block")))
            return dict(raw) if raw is not None else _text(described(part))
        case SourcePart() if mine is not None:
            return None  # it stands in the citations of the text
        case _:
            return _text(described(part))


def _call(part: ToolCallPart, mine: JsonObject | None) -> _Block:
    """The input must be an object; arguments that are none go in one."""
    kept = EMPTY if mine is None else mine
    # As it came, the keys in their order: only so does the provider's cache know it again.
    args = load_object(text(kept.get("args"))) or part.args
    block: _Block = {
        "type": "tool_use",
        "id": part.tool_call_id,
        "name": part.tool_name,
        "input": args if isinstance(args, Mapping) else {"arguments": args},
    }
    return block | dict(load_object(text(kept.get("extra"))) or EMPTY)


def _result(part: ToolResultPart) -> _Block:
    content: JsonValue = result_text(part)
    if part.is_media:
        pieces = [_file(media_of(part)), _text(result_text(part))]
        content = [piece for piece in pieces if piece is not None]
    block: _Block = {
        "type": "tool_result",
        "tool_use_id": part.tool_call_id,
        "content": content,
    }
    return {**block, "is_error": True} if part.is_error else block


def _file(part: FilePart) -> _Block | None:
    if part.data is not None:
        kind = part.media_type.lower()
        source: JsonObject = {"type": "base64", "media_type": kind, "data": part.data}
        if kind in _IMAGES:
            return {"type": "image", "source": source}
        if kind == PDF:
            titled: _Block = {"title": part.name} if part.name else {}
            return {"type": "document", "source": source, **titled}
    return _text(described(part))


def _text(said: str) -> _Block | None:
    """The API refuses blank text."""
    return {"type": "text", "text": said} if said.strip() else None


def _tool(tool: ToolSpec) -> JsonObject:
    return {
        "name": tool.name,
        "description": tool.description,
        "input_schema": tool.input_schema,
    }
