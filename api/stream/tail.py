"""Live parts behind what a client has: which of them are next, and where one is missing. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from api.stream.cursor import Cursor, after
from api.stream.event import Event, NoBody, PartBody
from shared.chats.reads.stream import StreamView
from shared.events.types import EventName, PartEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Tailed:
    """Events and where they lead; `gap`: something is missing before what came."""

    events: tuple[Event, ...]
    cursor: Cursor
    gap: bool


def tail(view: StreamView, cursor: Cursor, entries: Iterable[PartEntry]) -> Tailed:
    """Return those of the entries, which are of the view's episode, that are next for a client."""
    events: list[Event] = []
    episode, turn_id = view.chat.episode, view.chat.current_turn_id
    if cursor.episode != episode:
        # The client is done with the episode: it began anew, or it could not be completed.
        return Tailed(events=(), cursor=cursor, gap=False)
    for entry in entries:
        if entry.seq <= cursor.seq:
            continue
        if entry.first_seq != cursor.seq + 1:
            return Tailed(events=tuple(events), cursor=cursor, gap=True)
        cursor = cursor.at(episode, entry.seq)
        body = PartBody(episode=episode, entry=entry, turn_id=turn_id)
        events.append(Event(name=EventName.MESSAGE_PART, body=body, cursor=cursor))
    return Tailed(events=tuple(events), cursor=cursor, gap=False)


def give_up(cursor: Cursor) -> Tailed:
    """Return the end of a preview that can't be completed: nothing more until the message."""
    shown = cursor.seq > 0
    cursor = cursor.at(after(cursor.episode))
    reset = Event(name=EventName.PREVIEW_RESET, body=NoBody(), cursor=cursor)
    return Tailed(events=(reset,) if shown else (), cursor=cursor, gap=False)
