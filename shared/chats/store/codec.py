"""Between the values of a chat and the JSON that is stored of them."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final, TypeVar, cast
from uuid import UUID

from shared.chats.model.chat import DynamicTool, PendingCall
from shared.chats.model.ids import TurnId
from shared.chats.model.messages import Usage
from shared.chats.model.parts import (
    FilePart,
    Part,
    ReasoningPart,
    SourcePart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from shared.chats.model.timing import TurnTime
from shared.chats.model.turns import ChatError, RetryState
from shared.jsonvalue import JsonObject, JsonValue, storable

_T = TypeVar("_T")
UNREADABLE: Final = "[a part that this version can't read]"
"""What stands for a part that a newer version has written, while both of them run."""
_AS_STORED: Final = "as_stored"
_PART_TYPES: Mapping[str, type[Part]] = {
    "text": TextPart,
    "reasoning": ReasoningPart,
    "tool-call": ToolCallPart,
    "tool-result": ToolResultPart,
    "source": SourcePart,
    "file": FilePart,
}
_PART_NAMES: Mapping[type[Part], str] = {kind: name for name, kind in _PART_TYPES.items()}
# What is worked with as text: another value would fail far from here, at every turn.
_TEXTS: Mapping[type[Part], tuple[str, ...]] = {
    TextPart: ("text",),
    ReasoningPart: ("text",),
    ToolCallPart: ("tool_call_id", "tool_name"),
    ToolResultPart: ("tool_call_id", "tool_name"),
    SourcePart: ("source_id", "url", "title"),
    FilePart: ("media_type",),
}
_Stored = (
    TextPart
    | ReasoningPart
    | ToolCallPart
    | ToolResultPart
    | SourcePart
    | FilePart
    | ChatError
    | RetryState
    | PendingCall
    | DynamicTool
    | Usage
    | TurnTime
)


def part_name(part: Part) -> str:
    """Return the part's `type` on the wire and in the database."""
    return _PART_NAMES[type(part)]


def dump(value: _Stored) -> dict[str, JsonValue]:
    """Write a value as a JSON object; fields at their default are left out."""
    written: dict[str, JsonValue] = {}
    if type(value) in _PART_NAMES:
        written["type"] = part_name(cast(Part, value))
    for field in fields(value):
        item: object = getattr(value, field.name)
        if item != field.default:
            written[field.name] = _plain(item)
    return written


def dump_parts(parts: Sequence[Part]) -> list[JsonValue]:
    """Write message content as a JSON array; what could not be read is written as it was."""
    return [dump(part) if (stored := _as_stored(part)) is None else stored for part in parts]


def load_part(stored: JsonObject) -> Part:
    """Read one part. Raise `ValueError` when its type is unknown, or it lacks what it needs."""
    values = dict(stored)
    name = values.pop("type", None)
    kind = _PART_TYPES.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ValueError(f"stored content has a part of the unknown type {name!r}")
    if "created_at" in values:
        values["created_at"] = cast(JsonValue, _time(values["created_at"]))
    for text in _TEXTS[kind]:
        if not isinstance(values.get(text), str):
            raise ValueError(f"a stored part of the type {name!r} has no {text!r}")
    return _build(kind, values)


def load_parts(stored: Sequence[JsonObject]) -> tuple[Part, ...]:
    """Read message content; a part that can't be read becomes the text `UNREADABLE`.

    It may be a newer version's, and its chat has to go on.
    """
    return tuple(_load_or_stand_in(part) for part in stored)


def _load_or_stand_in(stored: JsonObject) -> Part:
    try:
        return load_part(stored)
    except (TypeError, ValueError):
        # A message that moves from the queue into the history takes what is in it along.
        return TextPart(text=UNREADABLE, provider_metadata={_AS_STORED: stored})


def _as_stored(part: Part) -> JsonValue:
    if isinstance(part, TextPart) and part.text == UNREADABLE and part.provider_metadata:
        return part.provider_metadata.get(_AS_STORED)
    return None


def load_usage(stored: JsonObject | None) -> Usage:
    """Read token counts; nothing stored is zero everywhere."""
    return _build(Usage, stored or {})


def load_turn_time(stored: JsonObject | None) -> TurnTime:
    """Read the seconds of a turn; nothing stored is zero everywhere."""
    return _build(TurnTime, stored or {})


def load_error(stored: JsonObject | None) -> ChatError | None:
    """Read a stored error; one that can't be read becomes one of kind `generic`."""
    if stored is None:
        return None
    try:
        turn_id = stored.get("turn_id")
        values = {**stored, "turn_id": TurnId(UUID(str(turn_id))) if turn_id else None}
        return _build(ChatError, cast(JsonObject, values))
    except (TypeError, ValueError):
        return ChatError(
            message="The stored error can't be read.", kind="generic", retryable=False, turn_id=None
        )


def load_retry(stored: JsonObject | None) -> RetryState | None:
    """Read the state of a back-off."""
    if stored is None:
        return None
    values = {**stored, "retrying_at": _time(stored["retrying_at"])}
    return _build(RetryState, cast(JsonObject, values))


def load_pending_call(stored: JsonObject) -> PendingCall:
    """Read a dynamic tool call that waits for its result."""
    values = {
        **stored,
        "deadline_at": _time(stored["deadline_at"]),
        "turn_id": TurnId(UUID(str(stored["turn_id"]))),
    }
    return _build(PendingCall, cast(JsonObject, values))


def load_tool(stored: JsonObject) -> DynamicTool:
    """Read a declared dynamic tool."""
    return _build(DynamicTool, stored)


def _build(kind: type[_T], values: JsonObject) -> _T:
    """Build a value; fields that only a newer version knows are left out."""
    try:
        return kind(**values)
    except TypeError:
        known = {field.name for field in fields(cast(Any, kind))}
        return kind(**{name: value for name, value in values.items() if name in known})


def _plain(item: object) -> JsonValue:
    if isinstance(item, datetime):
        return item.isoformat()
    if isinstance(item, UUID):
        return str(item)
    return storable(cast(JsonValue, item))


def _time(stored: JsonValue) -> datetime | None:
    return datetime.fromisoformat(stored) if isinstance(stored, str) else None
