"""The parts of a message: text, reasoning, tool calls, tool results, sources, files."""

from dataclasses import dataclass
from datetime import datetime

from shared.jsonvalue import JsonObject, JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPart:
    """Something said. `provider_metadata` is replayed to its provider and never leaves the API."""

    text: str
    provider_metadata: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningPart:
    """The model's thinking, as its provider shows it."""

    text: str
    provider_metadata: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallPart:
    """The model asks for a tool; `args` is the parsed JSON, or the raw text if it is not JSON."""

    tool_call_id: str
    tool_name: str
    args: JsonValue
    provider_executed: bool = False
    created_at: datetime | None = None
    provider_metadata: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResultPart:
    """What came of a tool call."""

    tool_call_id: str
    tool_name: str
    result: JsonValue
    is_error: bool = False
    is_media: bool = False
    provider_executed: bool = False
    created_at: datetime | None = None
    provider_metadata: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePart:
    """A page that the model cites."""

    source_id: str
    url: str
    title: str
    provider_metadata: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """A file; `data` is base64."""

    media_type: str
    data: str | None = None
    name: str | None = None
    provider_metadata: JsonObject | None = None


Part = TextPart | ReasoningPart | ToolCallPart | ToolResultPart | SourcePart | FilePart
