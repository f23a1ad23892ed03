"""The chat's row as an object that a move changes in place, and how it is read and written."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, cast

from sqlalchemy import RowMapping

from shared.chats import codec
from shared.chats.states import Status
from shared.chats.types import (
    ChatError,
    ChatId,
    DynamicTool,
    Episode,
    JsonObject,
    LeaseId,
    MessageId,
    OnError,
    PendingCall,
    RetryState,
    TurnId,
    TurnTime,
    Usage,
    WorkerId,
)


@dataclass(slots=True, kw_only=True)
class Chat:
    """One row of `chats`. Mutable, because a move is a change of it; frozen copies leave a move."""

    id: ChatId
    owner: str
    title: str
    model: str
    status: Status
    snapshot_version: int
    history_version: int
    status_version: int
    phase_since: datetime
    created_at: datetime
    updated_at: datetime
    key: str | None = None
    title_source: str = "words"
    archived: bool = False
    system: str | None = None
    labels: Mapping[str, str]
    metadata: JsonObject
    on_error: OnError = OnError.HOLD
    dynamic_tools: tuple[DynamicTool, ...] = ()
    tools: tuple[str, ...] | None = None
    requires_action_timeout_seconds: int | None = None
    current_turn_id: TurnId | None = None
    last_error: ChatError | None = None
    usage: Usage
    pending_calls: tuple[PendingCall, ...] = ()
    queue_length: int = 0
    last_message_id: MessageId
    queue_version: int = 0
    title_version: int = 0
    error_version: int = 0
    retry_version: int = 0
    action_version: int = 0
    generation_attempt: int = 0
    failures: int = 0
    losses: int = 0
    sweeps: int = 0
    lease_id: LeaseId | None = None
    worker_id: WorkerId | None = None
    enqueued_at: datetime | None = None
    retry_at: datetime | None = None
    retry_state: RetryState | None = None
    interrupting_since: datetime | None = None
    requires_action_deadline_at: datetime | None = None
    compaction_requested_at: datetime | None = None
    last_submission: str | None = None
    turn_time: TurnTime

    @property
    def episode(self) -> Episode:
        """The episode to which the parts of a running step belong."""
        return Episode(history_version=self.history_version, attempt=self.generation_attempt)

    def copy(self) -> "Chat":
        """Return a copy that later changes do not reach."""
        return replace(self)

    def clear_retry(self) -> None:
        """Forget the back-off and all that was counted for it."""
        self.retry_at = self.retry_state = None
        self.failures = self.losses = 0

    def clear_lease(self) -> None:
        """Forget who worked on it."""
        self.lease_id = self.worker_id = self.interrupting_since = None


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
        name: _stored(value)
        for name, was, value in zip(_NAMES, old, new, strict=True)
        if value is not was and value != was
    }


def columns(chat: Chat) -> dict[str, object]:
    """Return every column, as it is stored: for the insert."""
    return {name: _stored(value) for name, value in zip(_NAMES, _VALUES(chat), strict=True)}


def _stored(value: object) -> object:
    match value:
        case ChatError() | RetryState() | Usage() | TurnTime():
            return codec.dump(value)
        case tuple():
            return [_stored_item(item) for item in cast("tuple[object, ...]", value)]
        case Mapping():
            return dict(cast(Mapping[str, object], value))
        case Status() | OnError():
            return value.value
        case _:
            return value


def _stored_item(item: object) -> object:
    return codec.dump(item) if isinstance(item, PendingCall | DynamicTool) else item
