"""The shapes of answers. They describe what `api.render` writes; a test holds the two together."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from api.problems import ProblemCode
from api.schemas.fields import omitted
from api.schemas.parts import AnyPart
from shared.chats.model.messages import Role
from shared.chats.model.statuses import OnError, Status, TurnStatus
from shared.failures.kinds import ErrorKind
from shared.tools.spec import Policy

Cursor = Annotated[str, Field(description="a position in the chat's stream; opaque")]


class _Answer(BaseModel):
    """A shape that has no other fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Usage(_Answer):
    """Tokens of one answer, or the sum over answers; `context_limit` 0 = unknown."""

    input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int
    context_limit: int


class Error(_Answer):
    """Why a turn failed."""

    message: str
    detail: str = omitted()
    kind: ErrorKind
    provider: str = omitted()
    retryable: bool
    status_code: int = omitted()
    turn_id: UUID | None


class Retry(_Answer):
    """Why a chat backs off and until when; `attempt` counts from 1."""

    attempt: int
    delay_ms: int
    error: str
    kind: ErrorKind
    provider: str
    status_code: int
    retryable: bool
    retrying_at: datetime


class PendingToolCall(_Answer):
    """A call of a dynamic tool that waits for its result."""

    tool_call_id: str
    tool_name: str
    args: JsonValue
    deadline_at: datetime
    turn_id: UUID


class Chat(_Answer):
    """A chat as it is now."""

    id: UUID
    owner: str
    key: str = omitted()
    title: str
    status: Status
    archived: bool
    model: str
    system: str = omitted()
    labels: dict[str, str]
    metadata: dict[str, JsonValue]
    on_error: OnError
    turn_id: Annotated[UUID, Field(description="the current turn")] = omitted()
    last_error: Error = omitted()
    retry: Retry = omitted()
    pending_tool_calls: list[PendingToolCall]
    queue_length: int
    usage: Usage
    cursor: Cursor
    created_at: datetime
    updated_at: datetime


class ChatPage(_Answer):
    """Chats, the newest first."""

    items: list[Chat]
    next_cursor: Annotated[str | None, Field(description="the next page's `cursor`")]


class Message(_Answer):
    """A message of the transcript."""

    id: int
    chat_id: UUID
    turn_id: UUID | None
    role: Role
    content: list[AnyPart]
    model: str = omitted()
    usage: Usage = omitted()
    interrupted: bool = omitted()
    author: str = omitted()
    metadata: dict[str, JsonValue] = omitted()
    created_at: datetime


class MessagePage(_Answer):
    """Messages; the next page's `before_id` or `after_id`, whichever led to this one."""

    items: list[Message]
    next_cursor: int | None


class QueuedMessage(_Answer):
    """A user message that waits for the current turn to end."""

    id: int
    chat_id: UUID
    turn_id: UUID
    interrupting: bool
    content: list[AnyPart]
    model: str = omitted()
    author: str = omitted()
    metadata: dict[str, JsonValue] = omitted()
    created_at: datetime


class Queue(_Answer):
    """What waits, in the order in which it will be answered."""

    items: list[QueuedMessage]


class Accepted(_Answer):
    """What a move made of the chat."""

    chat_id: UUID
    turn_id: UUID = omitted()
    status: Status
    cursor: Cursor
    message: Message = omitted()
    queued_message: QueuedMessage = omitted()


class TurnTime(_Answer):
    """Where a turn's time went, in seconds."""

    queue: float
    provider: float
    backoff: float
    tools: float
    client_tools: float
    commit: float


class Turn(_Answer):
    """One user message and all that answered it so far."""

    id: UUID
    status: TurnStatus
    user_message_id: int = omitted()
    answer_message_id: int = omitted()
    error: Error = omitted()
    usage: Usage
    steps: int
    time: TurnTime
    created_at: datetime
    ended_at: datetime = omitted()


class Model(_Answer):
    """A model that chats may name; `context_limit` in tokens, 0 = unknown."""

    id: str
    provider: str
    context_limit: int
    default: bool
    available: bool
    reason: Annotated[str, Field(description="why it is not available")] = omitted()


class Tool(_Answer):
    """A built-in tool; `source` is the module that it comes from."""

    name: str
    description: str
    input_schema: Annotated[dict[str, JsonValue], Field(description="a JSON Schema")]
    source: str
    policy: Annotated[Policy, Field(description="what becomes of a call of a lost worker")]


class Tools(_Answer):
    """All built-in tools."""

    items: list[Tool]


class Models(_Answer):
    """All declared models."""

    items: list[Model]


class FieldFault(_Answer):
    """What is wrong with one field; empty = the whole body."""

    field: str
    detail: str


class Problem(BaseModel):
    """A refusal, by RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    code: ProblemCode
    errors: list[FieldFault] = omitted()
    current_status: Status = omitted()
    allowed: list[Status] = omitted()
    retry_after: Annotated[int, Field(description="in seconds")] = omitted()
