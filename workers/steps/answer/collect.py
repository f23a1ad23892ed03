"""Collects a stream's events into the parts of an answer, finished or broken off. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from shared.chats.model.parts import Part, ReasoningPart, TextPart, ToolCallPart
from shared.jsonvalue import parse_or_text
from workers.providers.protocol import (
    CallDelta,
    PartDone,
    ReasoningDelta,
    StreamEnd,
    StreamEvent,
    TextDelta,
)


@dataclass(slots=True)
class _GrowingPart:
    """A part whose end has not come."""

    first: TextDelta | ReasoningDelta | CallDelta
    pieces: list[str] = field(default_factory=list[str])


class CollectedAnswer:
    """The answer so far. `finish` is set once the terminal event was seen."""

    def __init__(self) -> None:
        """Start empty."""
        self._growing: dict[int, _GrowingPart] = {}
        self._done: dict[int, Part] = {}
        self.finish: StreamEnd | None = None

    def add(self, event: StreamEvent) -> None:
        """Take the next event."""
        match event:
            case TextDelta(text=piece) | ReasoningDelta(text=piece) | CallDelta(args_delta=piece):
                self._grow(event.index, event, piece)
            case PartDone(index=index, part=part):
                self._growing.pop(index, None)
                self._done[index] = part
            case StreamEnd():
                self.finish = event

    @property
    def parts(self) -> tuple[Part, ...]:
        """Every part in its place; one without an end holds what has come of it."""
        places = sorted({*self._growing, *self._done})
        return _told_apart(
            self._done.get(place) or _broken(self._growing[place]) for place in places
        )

    def _grow(self, index: int, event: TextDelta | ReasoningDelta | CallDelta, piece: str) -> None:
        growing = self._growing.get(index)
        if growing is None:
            growing = self._growing[index] = _GrowingPart(event)
        growing.pieces.append(piece)


def _told_apart(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Give a call an id of its own where a model has given the same one twice in an answer."""
    seen: set[str] = set()
    told: list[Part] = []
    for part in parts:
        if isinstance(part, ToolCallPart) and not part.provider_executed:
            fresh = part.tool_call_id
            while fresh in seen:
                fresh = f"{fresh}_again"
            seen.add(fresh)
            if fresh != part.tool_call_id:
                # What goes back to the provider byte for byte would have the old one.
                part = replace(part, tool_call_id=fresh, provider_metadata=None)
        told.append(part)
    return tuple(told)


def _broken(growing: _GrowingPart) -> Part:
    text = "".join(growing.pieces)
    match growing.first:
        case TextDelta():
            return TextPart(text=text)
        case ReasoningDelta():
            return ReasoningPart(text=text)
        case CallDelta(tool_call_id=call_id, tool_name=name, created_at=created_at):
            return ToolCallPart(
                tool_call_id=call_id,
                tool_name=name,
                args=parse_or_text(text),
                created_at=created_at,
            )
