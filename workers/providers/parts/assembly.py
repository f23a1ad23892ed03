"""Puts the parts of one answer together from deltas, and numbers them in the order they begin."""

import uuid
from dataclasses import dataclass, field

from shared.chats.model.parts import Part, ReasoningPart, TextPart, ToolCallPart
from shared.jsonvalue import JsonObject, JsonValue, parse_or_text
from workers.providers.http.error_mapping import Origin
from workers.providers.parts.metadata import stamp
from workers.providers.protocol import CallDelta, PartDone, ReasoningDelta, StreamEvent, TextDelta


@dataclass(slots=True)
class _Prose:
    """A text or reasoning part that still grows."""

    index: int
    reasoning: bool
    pieces: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class _Call:
    """A call that still grows."""

    index: int
    tool_call_id: str
    tool_name: str
    pieces: list[str] = field(default_factory=list[str])


class Assembly:
    """Parts of one answer. Prose ends when another kind begins; calls end when they are told to."""

    def __init__(self, origin: Origin | None = None) -> None:
        """Start an empty answer; `origin` gets back what is marked here, None wants nothing."""
        self._origin = origin
        self._next = 0
        self._prose: _Prose | None = None
        self._calls: dict[str, _Call] = {}
        self._marks: dict[int, JsonObject] = {}
        self.has_calls = False

    def text(self, delta: str) -> list[StreamEvent]:
        """Add to the current text part, or begin one."""
        events, prose = self._grow(delta, reasoning=False)
        events.append(TextDelta(prose.index, delta))
        return events

    def reasoning(self, delta: str) -> list[StreamEvent]:
        """Add to the current reasoning part, or begin one."""
        events, prose = self._grow(delta, reasoning=True)
        if delta:  # a part may have nothing to show and still carry metadata
            events.append(ReasoningDelta(prose.index, delta))
        return events

    def open_call(self, key: str, tool_call_id: str, tool_name: str) -> list[StreamEvent]:
        """Begin a call under a key of the caller's choice."""
        events = self._end_prose()
        call = _Call(self._take_index(), tool_call_id, tool_name)
        self._calls[key] = call
        self.has_calls = True
        events.append(CallDelta(call.index, tool_call_id, tool_name, ""))
        return events

    def args(self, key: str, delta: str) -> list[StreamEvent]:
        """Add to the arguments of an open call."""
        call = self._calls[key]
        call.pieces.append(delta)
        return [CallDelta(call.index, call.tool_call_id, call.tool_name, delta)]

    def name_call(self, key: str, tool_name: str) -> None:
        """Name an open call whose name came late."""
        self._calls[key].tool_name = tool_name

    def mark_call(self, key: str, **marks: JsonValue) -> None:
        """Set fields of the provider metadata of an open call."""
        self._mark(self._calls[key].index, marks)

    def mark_prose(self, **marks: JsonValue) -> None:
        """Set fields of the provider metadata of the open text or reasoning part."""
        if self._prose is not None:
            self._mark(self._prose.index, marks)

    @property
    def is_reasoning(self) -> bool:
        """Whether a reasoning part is open."""
        return self._prose is not None and self._prose.reasoning

    @property
    def is_text(self) -> bool:
        """Whether a text part is open."""
        return self._prose is not None and not self._prose.reasoning

    def whole(self, part: Part) -> list[StreamEvent]:
        """Add a part that came in one piece."""
        events = self._end_prose()
        events.append(PartDone(self._take_index(), part))
        return events

    def end_call(self, key: str) -> list[StreamEvent]:
        """Finish an open call."""
        call = self._calls.pop(key)
        raw = "".join(call.pieces)
        self._mark(call.index, verbatim(raw))
        part = ToolCallPart(
            tool_call_id=call.tool_call_id,
            tool_name=call.tool_name,
            args=parse_args(raw),
            provider_metadata=self._metadata(call.index),
        )
        return [PartDone(call.index, part)]

    def end(self) -> list[StreamEvent]:
        """Finish every part that is still open."""
        events = self._end_prose()
        for key in list(self._calls):
            events += self.end_call(key)
        return events

    def _grow(self, delta: str, *, reasoning: bool) -> tuple[list[StreamEvent], _Prose]:
        events: list[StreamEvent] = []
        if self._prose is None or self._prose.reasoning is not reasoning:
            events = self._end_prose()
            self._prose = _Prose(self._take_index(), reasoning)
        self._prose.pieces.append(delta)
        return events, self._prose

    def _end_prose(self) -> list[StreamEvent]:
        prose, self._prose = self._prose, None
        if prose is None:
            return []
        kind = ReasoningPart if prose.reasoning else TextPart
        part = kind(text="".join(prose.pieces), provider_metadata=self._metadata(prose.index))
        return [PartDone(prose.index, part)]

    def _mark(self, index: int, marks: JsonObject) -> None:
        self._marks[index] = {**self._marks.get(index, {}), **marks}

    def _metadata(self, index: int) -> JsonObject | None:
        marks = self._marks.get(index)
        return stamp(self._origin, **marks) if marks and self._origin is not None else None

    def _take_index(self) -> int:
        self._next += 1
        return self._next - 1


def new_call_id() -> str:
    """Make an id for a call that came without one."""
    return f"call_{uuid.uuid4().hex[:24]}"


def parse_args(text: str) -> JsonValue:
    """Return a call's arguments: parsed JSON, {} for nothing, the text itself if it is not JSON."""
    return parse_or_text(text) if text.strip() else {}


def verbatim(raw: str) -> dict[str, JsonValue]:
    """Return the metadata by which arguments go back as they came.

    A database sorts the keys of an object and drops blanks. Nothing is kept of what survives it,
    nor of blank arguments, which go back as the empty object that servers want there.
    """
    return {} if not raw.strip() or raw in ("{}", parse_args(raw)) else {"args": raw}
