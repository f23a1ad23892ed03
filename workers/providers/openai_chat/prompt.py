"""Writes a request as the body of a chat completion."""

from collections.abc import Iterator, Sequence

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
from workers.providers.http.error_mapping import Origin
from workers.providers.http.json_access import EMPTY, items, load_object, text
from workers.providers.parts.as_text import args_text, described, media_of, result_text
from workers.providers.parts.metadata import own
from workers.providers.protocol import PromptMessage, Request, ToolSpec

_AUDIO = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}


def chat_body(request: Request, origin: Origin, *, limit_field: str) -> dict[str, JsonValue]:
    """Return the whole body; `limit_field` is what the server calls the output limit."""
    messages: list[JsonValue] = []
    if request.system:
        messages.append({"role": "system", "content": request.system})
    last_user = _last_user(request.messages)
    for at, message in enumerate(request.messages):
        # Plain thoughts go back only inside their turn: some servers refuse older ones.
        messages.extend(_messages(message, origin, with_thoughts=at > last_user))
    body: dict[str, JsonValue] = {
        "model": request.upstream_model,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.max_output_tokens is not None:
        body[limit_field] = request.max_output_tokens
    if request.reasoning_effort is not None:
        body["reasoning_effort"] = request.reasoning_effort
    body |= request.options
    tools = [*(_tool(tool) for tool in request.tools), *items(request.options.get("tools"))]
    return {**body, "tools": tools} if tools else body


def _last_user(messages: Sequence[PromptMessage]) -> int:
    return max((at for at, m in enumerate(messages) if m.role is Role.USER), default=-1)


def _messages(
    message: PromptMessage, origin: Origin, *, with_thoughts: bool
) -> Iterator[JsonObject]:
    """Yield the messages of the dialect that one message of ours becomes."""
    match message.role:
        case Role.SYSTEM:
            yield {"role": "system", "content": _joined(message.parts)}
        case Role.USER:
            yield {"role": "user", "content": _user_content(message.parts)}
        case Role.ASSISTANT:
            written = _assistant(message.parts, origin, with_thoughts=with_thoughts)
            if len(written) > 1:
                yield written
        case Role.TOOL:
            yield from _results(message.parts)


def _user_content(parts: Sequence[Part]) -> JsonValue:
    """Return one text as a text, everything else as a list of typed pieces."""
    if len(parts) == 1 and isinstance(parts[0], TextPart):
        return parts[0].text
    return [_file(p) if isinstance(p, FilePart) else _text(described(p)) for p in parts]


def _assistant(
    parts: Sequence[Part], origin: Origin, *, with_thoughts: bool
) -> dict[str, JsonValue]:
    written: dict[str, JsonValue] = {"role": "assistant"}
    texts: list[str] = []
    calls: list[JsonValue] = []
    for part in parts:
        mine = own(origin, part.provider_metadata)
        match part:
            case ToolCallPart(provider_executed=False):
                calls.append(_call(part, mine))
            case ReasoningPart() if mine is not None:
                _add_thought(written, part, mine, with_field=with_thoughts)
            case SourcePart() if mine is not None:
                pass  # an annotation of the text, which is there
            case TextPart() if mine is not None and mine.get("refusal"):
                written["refusal"] = text(written.get("refusal")) + part.text
            case TextPart() if mine is not None and mine.get("goes_on") and texts:
                texts[-1] += part.text
            case _:
                texts.append(described(part))
    said = "\n\n".join(filter(None, texts))
    if said or calls:
        written["content"] = said or None
    if calls:
        written["tool_calls"] = calls
    return written


def _add_thought(
    written: dict[str, JsonValue], part: ReasoningPart, mine: JsonObject, *, with_field: bool
) -> None:
    """Give a thought back in the field it came in; details, which may be signed, in any case."""
    field = text(mine.get("field"))
    if field and with_field:
        written[field] = text(written.get(field)) + part.text
    details = [load_object(text(detail)) for detail in items(mine.get("details"))]
    if details:
        written["reasoning_details"] = [*items(written.get("reasoning_details")), *details]


def _call(part: ToolCallPart, mine: JsonObject | None) -> JsonObject:
    kept = EMPTY if mine is None else mine
    arguments = text(kept.get("args")) or args_text(part.args)
    function: JsonObject = {"name": part.tool_name, "arguments": arguments}
    extra = load_object(text(kept.get("extra"))) or EMPTY
    return {"id": part.tool_call_id, "type": "function", "function": function, **extra}


def _results(parts: Sequence[Part]) -> Iterator[JsonObject]:
    """Yield every result, then what a tool message can't hold: media, as a user's message."""
    media: list[JsonValue] = []
    for part in parts:
        if isinstance(part, ToolResultPart):
            said = result_text(part)
            content = f"Error: {said}" if part.is_error else said
            yield {"role": "tool", "tool_call_id": part.tool_call_id, "content": content}
            if part.is_media:
                media.append(_file(media_of(part)))
    if media:
        yield {"role": "user", "content": [_text("What the tools returned:"), *media]}


def _file(part: FilePart) -> JsonValue:
    if part.data is None:
        return _text(described(part))
    kind = part.media_type.lower()
    url = f"data:{kind};base64,{part.data}"
    if kind.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": url}}
    if kind in _AUDIO:
        sound: JsonObject = {"data": part.data, "format": _AUDIO[kind]}
        return {"type": "input_audio", "input_audio": sound}
    if kind == PDF:
        name = part.name or "document.pdf"
        return {"type": "file", "file": {"filename": name, "file_data": url}}
    return _text(described(part))


def _text(said: str) -> JsonValue:
    return {"type": "text", "text": said}


def _joined(parts: Sequence[Part]) -> str:
    return "\n\n".join(filter(None, (described(part) for part in parts)))


def _tool(tool: ToolSpec) -> JsonObject:
    function: JsonObject = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.input_schema,
    }
    return {"type": "function", "function": function}
