"""The values a chat is made of: ids, message parts, messages, usage, the stored error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

JsonValue = None | bool | int | float | str | Sequence["JsonValue"] | Mapping[str, "JsonValue"]
JsonObject = Mapping[str, JsonValue]

ChatId = NewType("ChatId", UUID)
TurnId = NewType("TurnId", UUID)
MessageId = NewType("MessageId", int)
QueuedId = NewType("QueuedId", int)
LeaseId = NewType("LeaseId", UUID)
WorkerId = NewType("WorkerId", UUID)


class Role(StrEnum):
    """Who speaks in a message."""

    SYSTEM = "system"  # the operator's instruction
    USER = "user"  # a person or a producer
    ASSISTANT = "assistant"  # the model
    TOOL = "tool"  # a tool's result


class Visibility(StrEnum):
    """Who gets to see a message."""

    USER = "user"  # the transcript only
    MODEL = "model"  # the prompt only
    BOTH = "both"  # the transcript and the prompt


class BusyBehavior(StrEnum):
    """What a new message does to a chat that is busy."""

    QUEUE = "queue"  # wait for the turn to end
    INTERRUPT = "interrupt"  # stop the turn, keep what was said
    REJECT = "reject"  # refuse the message


class OnError(StrEnum):
    """What happens to the queue when a turn fails."""

    HOLD = "hold"  # the queue is kept and waits for a person
    CONTINUE = "continue"  # the queue's head is promoted


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one answer, or the sum over answers; `context_limit` in tokens, 0 = unknown."""

    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    context_limit: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        """Sum the counts; the newest known context limit wins."""
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            cache_creation_tokens=self.cache_creation_tokens + other.cache_creation_tokens,
            context_limit=other.context_limit or self.context_limit,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What a message says: as much of it as a step reads of a long history."""

    id: MessageId
    turn_id: TurnId | None
    role: Role
    content: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Line):
    """A committed row of the history; `attempt` is the episode's that it ended, or was in."""

    chat_id: ChatId
    created_at: datetime
    revision: int
    attempt: int | None = None
    visibility: Visibility = Visibility.BOTH
    compressed: bool = False
    interrupted: bool = False
    model: str | None = None
    usage: Usage | None = None
    author: str | None = None
    metadata: JsonObject | None = None
    provider_response_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A row about to be inserted; id, revision and time are given under the row lock."""

    role: Role
    content: tuple[Part, ...]
    turn_id: TurnId | None = None
    visibility: Visibility = Visibility.BOTH
    compressed: bool = False
    interrupted: bool = False
    model: str | None = None
    usage: Usage | None = None
    author: str | None = None
    metadata: JsonObject | None = None
    provider_response_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedMessage:
    """A user message that waits for the current turn to end."""

    id: QueuedId
    chat_id: ChatId
    turn_id: TurnId
    position: int
    interrupting: bool
    content: tuple[Part, ...]
    created_at: datetime
    model: str | None = None
    author: str | None = None
    metadata: JsonObject | None = None


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
class PendingCall:
    """A dynamic tool call that waits for the client's result until `deadline_at`."""

    tool_call_id: str
    tool_name: str
    args: JsonValue
    deadline_at: datetime
    turn_id: TurnId


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
class TurnTime:
    """Where a turn's time went, in seconds; the fields add up to the turn's length."""

    queue: float = 0.0
    provider: float = 0.0
    backoff: float = 0.0
    tools: float = 0.0
    client_tools: float = 0.0
    commit: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One attempt of a chat at one state of its history: whose parts belong together."""

    history_version: int
    attempt: int = field(default=0)
