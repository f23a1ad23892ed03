"""The steps a script is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field, JsonValue

_STRICT = {"extra": "forbid", "strict": True, "hide_input_in_errors": True}
Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Reason = Literal["stop", "tool_calls", "length", "content_filter", "pause"]
_Count = Annotated[int, Field(ge=0, le=1_000_000)]


class ScriptError(Exception):
    """A message means to be a script and is not one; the text says which step and why."""


@dataclass(frozen=True, slots=True)
class Say:
    """Send text in one delta."""

    text: str


@dataclass(frozen=True, slots=True)
class Think:
    """Send reasoning in one delta."""

    text: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Send nothing for a while."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """Send the same text `times` times, each after `delay` seconds."""

    __pydantic_config__ = _STRICT
    text: str
    times: _Count
    delay: Seconds = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedCall:
    """Call a tool; without an id the player makes one. A string as `args` is sent as it is."""

    __pydantic_config__ = _STRICT
    name: Annotated[str, Field(min_length=1)]
    args: JsonValue = field(default_factory=dict[str, JsonValue])
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """Fail as a provider does; with `times` only in the first so many attempts."""

    __pydantic_config__ = _STRICT
    status: Annotated[int, Field(ge=0, le=599)] = 500
    type: str = "server_error"
    message: str = "Internal server error"
    retry_after: Seconds | None = None
    times: _Count | None = None

    def strikes(self, attempt: int) -> bool:
        """Say whether this attempt, counted from 0, fails."""
        return self.times is None or attempt < self.times


@dataclass(frozen=True, slots=True)
class Truncate:
    """End the stream in good order, without its terminal event."""


@dataclass(frozen=True, slots=True)
class Stall:
    """Say nothing more and keep the connection open."""


@dataclass(frozen=True, slots=True)
class Next:
    """End this answer; what follows is the next one, after the tool results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Report these tokens as the usage of the answer."""

    __pydantic_config__ = _STRICT
    input: _Count = 0
    output: _Count = 0
    reasoning: _Count = 0
    cache_read: _Count = 0
    cache_creation: _Count = 0


@dataclass(frozen=True, slots=True)
class ScriptedEnd:
    """Give this as the reason for the end of the answer."""

    reason: Reason


Step = (
    Say
    | Think
    | Pause
    | Repeat
    | ScriptedCall
    | Fail
    | Truncate
    | Stall
    | Next
    | Count
    | ScriptedEnd
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """The answers of one turn, in order; `key` tells scripts apart, `wire` is for fake servers."""

    rounds: tuple[tuple[Step, ...], ...]
    key: str = ""
    wire: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])

    def round(self, number: int) -> tuple[Step, ...] | None:
        """Return the steps of the answer after `number` others, None beyond the last."""
        return self.rounds[number] if number < len(self.rounds) else None
