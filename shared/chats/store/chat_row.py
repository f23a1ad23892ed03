"""Between a chat and its row: how it is read, and which columns a change writes."""

from collections.abc import Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final, cast

from sqlalchemy import RowMapping

from shared.chats.model.chat import Chat, DynamicTool, PendingCall
from shared.chats.model.messages import Usage
from shared.chats.model.statuses import OnError, Status, TurnStatus
from shared.chats.model.timing import TurnTime
from shared.chats.model.turns import ChatError, RetryState
from shared.chats.store import codec

_NAMES: Final = tuple(field.name for field in fields(Chat))
_VALUES: Final = attrgetter(*_NAMES)


def read_chat(row: RowMapping | Mapping[str, Any]) -> Chat:
    """Build a chat from its row."""
    values = {name: row[name] for name in _NAMES}
    values["status"] = Status(row["status"])
    values["on_error"] = OnError(row["on_error"])
    values["dynamic_tools"] = tuple(codec.load_tool(tool) for tool in row["dynamic_tools"])
    values["tools"] = None if row["tools"] is None else tuple(row["tools"])
    values["last_error"] = codec.load_error(row["last_error"])
    values["retry_state"] = codec.load_retry(row["retry_state"])
    values["pending_calls"] = tuple(codec.load_pending_call(call) for call in row["pending_calls"])
    values["usage"] = codec.load_usage(row["usage"])
    values["turn_time"] = codec.load_turn_time(row["turn_time"])
    return Chat(**values)


def changes(before: Chat, after: Chat) -> dict[str, object]:
    """Return the columns that differ, as they are stored."""
    old, new = _VALUES(before), _VALUES(after)
    return {
        name: stored(value)
        for name, was, value in zip(_NAMES, old, new, strict=True)
        if value is not was and value != was
    }


def columns(chat: Chat) -> dict[str, object]:
    """Return every column, as it is stored: for the insert."""
    return {name: stored(value) for name, value in zip(_NAMES, _VALUES(chat), strict=True)}


def stored(value: object) -> object:
    """Return a value of a chat or a turn as its column has it."""
    match value:
        case ChatError() | RetryState() | Usage() | TurnTime():
            return codec.dump(value)
        case tuple():
            return [_stored_item(item) for item in cast("tuple[object, ...]", value)]
        case Mapping():
            return dict(cast(Mapping[str, object], value))
        case Status() | TurnStatus() | OnError():
            return value.value
        case _:
            return value


def _stored_item(item: object) -> object:
    return codec.dump(item) if isinstance(item, PendingCall | DynamicTool) else item
