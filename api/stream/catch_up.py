"""What a client gets next: from where it stands and what was read, to events. Pure.

The order is: reset, messages, queue, title, error, calls, ends of turns, retry, parts, status.
Every event carries the place at which a client stands once it has it, so that one that is cut off
after any event goes on from there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from api.stream.cursor import Cursor, Kind, Progress, after, order
from api.stream.errors import BadCursor
from api.stream.event import (
    ActionBody,
    Body,
    Event,
    NoBody,
    PartBody,
    QueueBody,
    RetryBody,
    StatusBody,
    TitleBody,
)
from shared.chats.model.ids import TurnId
from shared.chats.model.messages import Role
from shared.chats.model.turns import TurnOutcome
from shared.chats.reads.stream import Since, StreamView
from shared.events.merge import merge
from shared.events.types import EventName, PartEntry

RESET_MESSAGES: Final = 50
"""So many of the newest messages follow a `history_reset`, and start a stream, at the least."""

_NEVER: Final = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class CatchUp:
    """Events and where they lead; not `complete` when there is more to read from there on."""

    events: tuple[Event, ...]
    cursor: Cursor
    complete: bool


def since_start(history: int | None, turn: TurnId | None) -> Since:
    """Return what to read for a stream that begins with the `history` newest messages.

    None = with the message of `turn`.
    """
    return Since(newest=history, from_turn=history is None, turns=_NEVER, turn=turn)


def since_cursor(cursor: Cursor, history: int | None, turn: TurnId | None, *, reset: bool) -> Since:
    """Return what to read for a client at this place; `reset`: it gets all messages anew."""
    kinds = cursor.progress.kinds if cursor.progress is not None else frozenset[Kind]()
    anew = reset or (Kind.HISTORY_RESET in kinds and cursor.message == 0)
    return Since(
        message=cursor.message,
        newest=max(history or 0, RESET_MESSAGES) if anew else None,
        state=0 if Kind.INITIAL in kinds else cursor.base,
        turns=cursor.base,
        turn=turn,
    )


def start_cursor(view: StreamView) -> Cursor:
    """Return the place before everything that a new stream begins with."""
    progress = Progress(snapshot=view.snapshot, kinds=frozenset({Kind.INITIAL}))
    skipped = 0 if view.messages else view.chat.last_message_id
    return Cursor(base=view.snapshot, progress=progress, message=skipped, episode=view.chat.episode)


def needs_reset(view: StreamView, cursor: Cursor) -> bool:
    """Say whether a message that the client has was removed since it asked."""
    return any(
        removal.revision > cursor.settled and removal.first <= cursor.message
        for removal in view.removals
    )


def catch_up(
    view: StreamView,
    cursor: Cursor,
    *,
    entries: Sequence[PartEntry] = (),
    resumed: bool = False,
    awaited: TurnId | None = None,
) -> CatchUp:
    """Return everything in the view that the client does not have.

    `entries` is the buffer of the view's episode, from number 1 on without a gap. `resumed`: the
    client comes back, so that it may show a preview of which nobody here knows. `awaited` is the
    turn whose end it waits for. Where `needs_reset` holds, the view has the newest messages. Raises
    `BadVector` for a place in the future: it belongs to another chat.
    """
    if max(cursor.settled, cursor.base) > view.snapshot:
        raise BadCursor
    planner = _Planner(view, cursor, resumed=resumed)
    planner.reset()
    planner.messages()
    if view.more:
        return planner.done(complete=False)
    planner.state()
    planner.turn_ends(awaited)
    planner.retry()
    planner.parts(entries)
    planner.status()
    return planner.done(complete=True)


class _Planner:
    """One plan in the making: what has gone out so far, and where that leads."""

    def __init__(self, view: StreamView, cursor: Cursor, *, resumed: bool) -> None:
        progress = cursor.progress or Progress(snapshot=cursor.base)
        same = progress.snapshot == view.snapshot
        self._view = view
        self._chat = view.chat
        self._cursor = cursor
        self._resumed = resumed
        self._kinds = set(progress.kinds if same else progress.kinds & _carried(cursor))
        self._ends = progress.turn_ends if same else 0
        self._known = 0 if Kind.INITIAL in self._kinds else cursor.base
        self._events: list[Event] = []

    def done(self, *, complete: bool) -> CatchUp:
        """Return the plan; with the last event of a read all of it has gone out."""
        if complete:
            self._cursor = replace(self._cursor, base=self._view.snapshot, progress=None)
            if self._events:
                self._events[-1] = replace(self._events[-1], cursor=self._cursor)
        return CatchUp(events=tuple(self._events), cursor=self._cursor, complete=complete)

    def reset(self) -> None:
        """Take back messages that were removed, and a preview that became nothing."""
        cursor, current = self._cursor, self._chat.episode
        if needs_reset(self._view, cursor):
            self._cursor = replace(cursor.at(after(cursor.episode)), message=0)
            self._emit(EventName.HISTORY_RESET, kind=Kind.HISTORY_RESET)
        elif cursor.seq and not (cursor.episode == current and self._view.live):
            if cursor.episode == current and self._retry_due:
                return  # the retry takes it back
            if self._resumed or not self._committed:
                self._cursor = cursor.at(after(cursor.episode))
                self._emit(EventName.PREVIEW_RESET)
        self._enter()

    def messages(self) -> None:
        """Send what was committed."""
        for message in self._view.messages:
            if message.id > self._cursor.message:
                self._cursor = replace(self._cursor, message=message.id)
                self._emit(EventName.MESSAGE, message)

    def state(self) -> None:
        """Send the queue, the title, the error and the calls that wait, as far as they changed."""
        chat = self._chat
        queue = self._view.queue
        # An empty one is news for all but those who begin: who was cut off in the beginning may
        # have been told of one that was not.
        news = bool(queue) or self._known > 0 or self._resumed
        if self._due(chat.queue_version, Kind.QUEUE) and news:
            self._emit(EventName.QUEUE_UPDATE, QueueBody(items=queue), kind=Kind.QUEUE)
        if self._due(chat.title_version, Kind.TITLE) or self._begins(Kind.TITLE):
            self._emit(EventName.TITLE, TitleBody(title=chat.title), kind=Kind.TITLE)
        if self._due(chat.error_version, Kind.ERROR) and chat.last_error is not None:
            self._emit(EventName.ERROR, chat.last_error, kind=Kind.ERROR)
        if self._due(chat.action_version, Kind.ACTION) and chat.pending_calls:
            calls = ActionBody(calls=chat.pending_calls, turn_id=chat.current_turn_id)
            self._emit(EventName.ACTION_REQUIRED, calls, kind=Kind.ACTION)

    def turn_ends(self, awaited: TurnId | None) -> None:
        """Send the ends of turns, in the order of ending."""
        turn, base = self._view.turn, self._cursor.base
        if turn is not None and turn.turn_id == awaited and self._missed(turn):
            self._emit(EventName.TURN_END, turn, kind=Kind.AWAITED)
        ended = [one for one in self._view.outcomes if (one.revision or 0) > base]
        for outcome in ended[self._ends :]:
            self._ends += 1
            self._emit(EventName.TURN_END, outcome)

    def retry(self) -> None:
        """Send the back-off: it takes the preview back."""
        if self._retry_due and self._chat.retry_state is not None:
            self._cursor = self._cursor.at(after(self._chat.episode))
            body = RetryBody(retry=self._chat.retry_state, turn_id=self._chat.current_turn_id)
            self._emit(EventName.RETRY, body, kind=Kind.RETRY)

    def parts(self, entries: Sequence[PartEntry]) -> None:
        """Send what is buffered of the answer in progress."""
        episode = self._chat.episode
        if not self._view.live or self._cursor.episode != episode:
            return
        rest = [entry for entry in entries if entry.seq > self._cursor.seq]
        if rest and rest[0].first_seq <= self._cursor.seq:
            # What the client has ends inside of a merged entry: the preview starts anew.
            self._cursor = self._cursor.at(episode)
            self._emit(EventName.PREVIEW_RESET)
            rest = list(entries)
        for entry in merge(rest):
            self._cursor = self._cursor.at(episode, entry.seq)
            body = PartBody(episode=episode, entry=entry, turn_id=self._chat.current_turn_id)
            self._emit(EventName.MESSAGE_PART, body)

    def status(self) -> None:
        """Send the status, last: what is idle has nothing more to say."""
        if self._due(self._chat.status_version, Kind.STATUS):
            body = StatusBody(status=self._chat.status, turn_id=self._chat.current_turn_id)
            self._emit(EventName.STATUS, body, kind=Kind.STATUS)

    @property
    def _retry_due(self) -> bool:
        due = self._due(self._chat.retry_version, Kind.RETRY)
        return due and self._chat.retry_state is not None

    @property
    def _committed(self) -> bool:
        """The rows of the episode that the client shows are there.

        Whatever changed the history after that episode ended it, and an end of its own starts with
        a row of the model or of a tool. That of a newer attempt does so as well.
        """
        new = [one for one in self._view.messages if one.id > self._cursor.message]
        answered = bool(new) and new[0].role in (Role.ASSISTANT, Role.TOOL)
        return answered and new[0].attempt == self._cursor.episode.attempt

    def _enter(self) -> None:
        """Go on to the current episode, silently; to behind it when nobody is at work on it."""
        current = self._chat.episode
        place = current if self._view.live else after(current)
        if order(self._cursor.episode) < order(place):
            self._cursor = self._cursor.at(place)

    def _due(self, version: int, kind: Kind) -> bool:
        return version > self._known and kind not in self._kinds

    def _begins(self, kind: Kind) -> bool:
        return Kind.INITIAL in self._kinds and kind not in self._kinds

    def _missed(self, turn: TurnOutcome) -> bool:
        """The turn had ended before the stream began, and the client has not heard of it."""
        before = turn.revision is not None and turn.revision <= self._cursor.base
        return before and self._begins(Kind.AWAITED)

    def _emit(self, name: EventName, body: Body | None = None, *, kind: Kind | None = None) -> None:
        if kind is not None:
            self._kinds.add(kind)
        progress = Progress(
            snapshot=self._view.snapshot, kinds=frozenset(self._kinds), turn_ends=self._ends
        )
        self._cursor = replace(self._cursor, progress=progress)
        self._events.append(Event(name=name, body=body or NoBody(), cursor=self._cursor))


def _carried(cursor: Cursor) -> frozenset[Kind]:
    """Return what stays true when a cut-off read is followed by that of another snapshot."""
    reset = {Kind.HISTORY_RESET} if cursor.message == 0 else set[Kind]()
    return frozenset({Kind.INITIAL, Kind.AWAITED, *reset})
