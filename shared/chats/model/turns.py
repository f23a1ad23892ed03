"""Turns: how far one has come, why it failed, why its chat backs off."""

from dataclasses import dataclass
from datetime import datetime

from shared.chats.model.ids import ChatId, MessageId, TurnId
from shared.chats.model.messages import Usage
from shared.chats.model.statuses import TurnStatus
from shared.chats.model.timing import TurnTime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatError:
    """A failure as it is persisted, streamed and shown (`Error` of the API)."""

    message: str
    kind: str
    retryable: bool
    turn_id: TurnId | None
    detail: str = ""
    provider: str = ""
    status_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One user message and all that answered it so far; `usage` is the sum over its messages."""

    id: TurnId
    chat_id: ChatId
    status: TurnStatus
    user_message_id: MessageId | None
    answer_message_id: MessageId | None
    error: ChatError | None
    usage: Usage
    steps: int
    time: TurnTime
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryState:
    """Why a chat backs off and until when; `attempt` counts from 1, `delay_ms` in milliseconds."""

    attempt: int
    delay_ms: int
    error: str
    kind: str
    retryable: bool
    retrying_at: datetime
    provider: str = ""
    status_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnOutcome:
    """How far a turn has come; `revision` is the snapshot at which it ended or paused."""

    turn_id: TurnId
    status: TurnStatus
    revision: int | None
    user_message_id: MessageId | None
    answer_message_id: MessageId | None
    error: ChatError | None
