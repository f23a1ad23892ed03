"""The chat, and the tools and calls of its client that stand on its row."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from shared.chats.model.ids import ChatId, LeaseId, MessageId, TurnId, WorkerId
from shared.chats.model.lease import Episode
from shared.chats.model.messages import Usage
from shared.chats.model.statuses import OnError, Status
from shared.chats.model.timing import TurnTime
from shared.chats.model.turns import ChatError, RetryState
from shared.jsonvalue import JsonObject, JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicTool:
    """A tool that the client executes; `timeout_seconds` None = the chat's or the setting's."""

    name: str
    description: str
    input_schema: JsonObject
    timeout_seconds: float | None = None
    default_result: JsonValue = None
    has_default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingCall:
    """A dynamic tool call that waits for the client's result until `deadline_at`."""

    tool_call_id: str
    tool_name: str
    args: JsonValue
    deadline_at: datetime
    turn_id: TurnId


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
