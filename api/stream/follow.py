"""Live parts behind what a client has: which of them are next, and where one is missing. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from api.stream.events import Event, NoBody, PartBody
from api.stream.vector import Vector, after
from shared.chats.reads.stream import StreamView
from shared.events.types import EventName, PartEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """Events and where they lead; `gap`: something is missing before what came."""

    events: tuple[Event, ...]
    vector: Vector
    gap: bool


def follow(view: StreamView, vector: Vector, entries: Iterable[PartEntry]) -> Followed:
    """Return those of the entries, which are of the view's episode, that are next for a client."""
    events: list[Event] = []
    episode, turn_id = view.chat.episode, view.chat.current_turn_id
    if vector.episode != episode:
        # The client is done with the episode: it began anew, or it could not be completed.
        return Followed(events=(), vector=vector, gap=False)
    for entry in entries:
        if entry.seq <= vector.seq:
            continue
        if entry.first_seq != vector.seq + 1:
            return Followed(events=tuple(events), vector=vector, gap=True)
        vector = vector.at(episode, entry.seq)
        body = PartBody(episode=episode, entry=entry, turn_id=turn_id)
        events.append(Event(name=EventName.MESSAGE_PART, body=body, vector=vector))
    return Followed(events=tuple(events), vector=vector, gap=False)


def give_up(vector: Vector) -> Followed:
    """Return the end of a preview that can't be completed: nothing more until the message."""
    shown = vector.seq > 0
    vector = vector.at(after(vector.episode))
    reset = Event(name=EventName.PREVIEW_RESET, body=NoBody(), vector=vector)
    return Followed(events=(reset,) if shown else (), vector=vector, gap=False)
