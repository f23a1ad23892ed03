"""Says in plain text what a dialect has no shape for, or what only its first provider may see."""

import base64
import binascii

from shared.chats.model.parts import (
    FilePart,
    ReasoningPart,
    SourcePart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from shared.config.media import TEXTS, matches
from shared.jsonvalue import JsonValue
from workers.providers.http.json_access import dump, obj, text


def result_text(part: ToolResultPart) -> str:
    """Return the result as a model reads it: text as it is, anything else as JSON."""
    if part.is_media:
        return text(obj(part.result).get("text")) or f"[{media_of(part).media_type}]"
    return part.result if isinstance(part.result, str) else dump(part.result)


def media_of(part: ToolResultPart) -> FilePart:
    """Return the file of a media result: `{"media_type", "data", "text"?}`, data in base64."""
    result = obj(part.result)
    return FilePart(
        media_type=text(result.get("media_type")) or "application/octet-stream",
        data=text(result.get("data")) or None,
    )


def args_text(args: JsonValue) -> str:
    """Return a call's arguments as the text of JSON; text that never was JSON stays as it is."""
    return args if isinstance(args, str) else dump(args)


def described(
    part: TextPart | ReasoningPart | ToolCallPart | ToolResultPart | SourcePart | FilePart,
) -> str:
    """Say in text what a part is, for a reader who can't take the part itself."""
    match part:
        case TextPart(text=said):
            return said
        case ReasoningPart(text=thought):
            return f"<thinking>\n{thought}\n</thinking>" if thought.strip() else ""
        case ToolCallPart():
            return f"[called {part.tool_name}: {args_text(part.args)}]"
        case ToolResultPart():
            return f"[result of {part.tool_name}: {result_text(part)}]"
        case SourcePart():
            return f"[source: {part.title or part.url}, {part.url}]"
        case FilePart():
            return _described_file(part)


def _described_file(part: FilePart) -> str:
    """Quote a text file; of any other only the name remains."""
    name = part.name or "file"
    if part.data is not None and matches(part.media_type, TEXTS):
        try:
            content = base64.b64decode(part.data, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return f"[{name}, {part.media_type}: not readable as text]"
        return f"[{name}, {part.media_type}]\n{content}"
    return f"[{name}, {part.media_type}: not shown to this model]"
