"""How big a prompt is, in bytes. Pure."""

from collections.abc import Sequence

import orjson

from shared.chats.model.parts import (
    FilePart,
    Part,
    ReasoningPart,
    SourcePart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from shared.jsonvalue import JsonValue
from workers.providers.protocol import Request


def prompt_size(request: Request) -> int:
    """Return the bytes of the system prompt and of all parts: UTF-8 text, and files decoded."""
    system = len((request.system or "").encode())
    return system + sum(_parts_size(message.parts) for message in request.messages)


def _parts_size(parts: Sequence[Part]) -> int:
    return sum(part_size(part) for part in parts)


def part_size(part: Part) -> int:
    """Return the bytes of one part: its text, its file, its arguments or its result."""
    match part:
        case TextPart(text=text) | ReasoningPart(text=text):
            return len(text.encode())
        case FilePart(data=data):
            return _decoded_size(data or "")
        case ToolCallPart(args=args):
            return _json_size(args)
        case ToolResultPart(result=result):
            return _json_size(result)
        case SourcePart():
            return 0


def _json_size(value: JsonValue) -> int:
    return len(value.encode()) if isinstance(value, str) else len(orjson.dumps(value))


def _decoded_size(data: str) -> int:
    """Base64 writes three bytes as four characters, and fills up with `=`."""
    return len(data) * 3 // 4 - data.count("=", -2)
