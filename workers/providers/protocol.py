"""The border between a step and a model: the request, the events of its answer, the protocol."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from shared.chats.model.messages import Role, Usage
from shared.chats.model.parts import Part
from shared.jsonvalue import JsonObject, JsonValue


class FinishReason(StrEnum):
    """Why the model stopped."""

    STOP = "stop"  # it said what it had to say
    TOOL_CALLS = "tool_calls"  # it waits for the results of its calls
    LENGTH = "length"  # it ran into the output or the context limit
    CONTENT_FILTER = "content_filter"  # the answer was withheld or refused
    PAUSE = "pause"  # a long turn was paused: send it back as it is to go on
    OTHER = "other"  # a reason we do not know


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool the model may call; `input_schema` is a JSON Schema of type object."""

    name: str
    description: str
    input_schema: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptMessage:
    """One message of the prompt.

    A part's `provider_metadata` names the provider and the dialect it came from: it goes back
    to that one byte for byte, another one gets the part as plain text.
    """

    role: Role
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One model call: `model` is the name in `stepwell.toml`, `upstream_model` the provider's own.

    `attempt` counts the failures of this step so far (0 = the first try). `options` are merged
    into the body and win over what the adapter would send; `options["tools"]` join ours. More
    system messages may lead `messages`; `system` goes before them.
    """

    model: str
    provider: str
    upstream_model: str
    messages: tuple[PromptMessage, ...]
    system: str | None = None
    tools: tuple[ToolSpec, ...] = ()
    max_output_tokens: int | None = None
    reasoning_effort: str | None = None
    options: JsonObject = field(default_factory=dict[str, JsonValue])
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More text of the part at `index`."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More thinking of the part at `index`; without text: it thinks, and shows nothing yet."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class CallDelta:
    """More raw JSON of a call's arguments; the first delta of a call may carry none.

    `created_at` is when it came, once the step has seen it.
    """

    index: int
    tool_call_id: str
    tool_name: str
    args_delta: str
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PartDone:
    """The finished part at `index` with its provider metadata; every part of an answer gets one."""

    index: int
    part: Part


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEnd:
    """The terminal event was seen: the answer is complete. Always last, and last only then.

    `metadata` is what the provider said about the answer (its usage object and the like): the
    place to look for a context limit.
    """

    reason: FinishReason
    usage: Usage | None = None
    response_id: str | None = None
    metadata: JsonObject | None = None


StreamEvent = TextDelta | ReasoningDelta | CallDelta | PartDone | StreamEnd


class Provider(Protocol):
    """A model provider; one instance lives on one asyncio loop."""

    def stream(self, request: Request) -> AsyncGenerator[StreamEvent, None]:
        """Yield the answer's events, `Finish` last; `index` is the part's place in the answer.

        Deltas of one part are never mixed up with another's, but parts may interleave, and
        `PartDone` comes in the order in which parts end. Raises only `ProviderError`,
        `TransportFailed`, `StreamTruncated` and `Preclassified`. Cancelling the task that
        iterates, or closing the generator, closes the connection at once.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection; the provider can't be used afterwards."""
        ...
