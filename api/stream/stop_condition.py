"""Until when a client wants a stream. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from api.stream.errors import BadUntil, TurnUnknown
from api.stream.event import Event, StatusBody
from shared.chats.model.ids import TurnId
from shared.chats.model.statuses import IDLE
from shared.chats.model.turns import TurnOutcome
from shared.chats.reads.stream import StreamView

_TURN: Final = re.compile(r"turn:([0-9a-fA-F-]{36})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Until:
    """The condition that ends a stream: the chat is idle, or one turn ended or paused."""

    turn_id: TurnId | None = None


def parse_until(text: str) -> Until:
    """Read `idle` or `turn:{id}`. Raise `BadUntil`."""
    if text == "idle":
        return Until()
    match = _TURN.fullmatch(text)
    if match is None:
        raise BadUntil
    try:
        return Until(turn_id=TurnId(UUID(match[1])))
    except ValueError:
        raise BadUntil from None


def holds(until: Until, view: StreamView) -> bool:
    """Say whether the condition holds. Raise `TurnUnknown`."""
    if until.turn_id is None:
        return view.chat.status in IDLE
    if view.turn is None:
        raise TurnUnknown
    return view.turn.revision is not None


def cut(until: Until, events: Sequence[Event]) -> tuple[Sequence[Event], bool]:
    """Return the events up to the one that fulfils the condition, and whether there is one."""
    for number, event in enumerate(events, start=1):
        if _fulfils(until, event):
            return events[:number], True
    return events, False


def _fulfils(until: Until, event: Event) -> bool:
    if until.turn_id is None:
        return isinstance(event.body, StatusBody) and event.body.status in IDLE
    return isinstance(event.body, TurnOutcome) and event.body.turn_id == until.turn_id
