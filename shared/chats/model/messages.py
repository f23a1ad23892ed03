"""Messages: committed rows of the history, new ones, queued ones, and what a step reads of them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from shared.chats.model.ids import ChatId, MessageId, QueuedId, TurnId
from shared.chats.model.parts import Part
from shared.jsonvalue import JsonObject


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
class PromptRow:
    """What a message says: as much of it as a step reads of a long history."""

    id: MessageId
    turn_id: TurnId | None
    role: Role
    content: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(PromptRow):
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
    """A row about to be inserted; id, revision and time are given under the row lock.

    `stored` is the content as a queue had it, which a newer version may have written: it is
    inserted as it is. None = there is none, and `content` is written.
    """

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
    stored: tuple[JsonObject, ...] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserMessage:
    """What a person or a producer says, before it has a place; `stored` as in `NewMessage`."""

    content: tuple[Part, ...]
    model: str | None = None
    author: str | None = None
    metadata: JsonObject | None = None
    stored: tuple[JsonObject, ...] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedMessage:
    """A user message that waits for the current turn to end; `stored` as in `NewMessage`."""

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
    stored: tuple[JsonObject, ...] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What the model may see, oldest first, and how far the turn has come that asks it."""

    messages: tuple[PromptRow, ...]
    steps: int
    chain_disabled: bool
