"""All clients of one chat: what was read last, what happens, who has to be read for. No waiting.

The hub brings notes and views; the watch turns them into events. Clients that stand at the same
place share one plan and one encoding, so that a thousand readers of a chat cost little more than
one.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from api.stream.catch_up import catch_up, needs_reset, start_cursor
from api.stream.client import Client
from api.stream.cursor import Cursor, order
from api.stream.errors import BadCursor
from api.stream.event import Event, NoBody, encode_event
from api.stream.send_buffer import EndReason
from api.stream.tail import tail
from shared.chats.model.errors import ChatNotFound
from shared.chats.model.ids import ChatId
from shared.chats.model.lease import Episode
from shared.chats.reads.stream import Since, StreamView
from shared.events.types import ChangedHint, ChatNote, EventName, PartBatch, PartEntry
from shared.metrics.metrics import Metrics

_RECENT: Final = 512
"""So many of the newest parts bridge the time that a read takes."""

RECENT_SECONDS: Final = 15.0
"""Parts are kept for so long at least, and for twice as long at most: 512 take 100 KB a chat.

A client that misses one after all finds it in the buffer.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRead:
    """Something to read, and for whom; `parts`: the buffer of a live episode, too."""

    since: Since
    clients: tuple[Client, ...]
    parts: bool
    target: int
    ahead: Episode | None


class Feed:
    """One chat and everybody who watches it."""

    def __init__(self, chat_id: ChatId, *, clock: Callable[[], float], metrics: Metrics) -> None:
        """Start without clients, and without knowing anything of the chat."""
        self.chat_id = chat_id
        self.clients: dict[Client, None] = {}
        self.view: StreamView | None = None
        self._clock = clock
        self._metrics = metrics
        self._target = 0
        self._ahead: Episode | None = None
        self._newest = Episode(history_version=-1)
        self._recent: deque[PartEntry] = deque(maxlen=_RECENT)
        self._marked_at, self._mark = clock(), 0

    def add(self, client: Client) -> None:
        """Take a client in; it is read for next."""
        self.clients[client] = None

    def remove(self, client: Client) -> None:
        """Forget a client."""
        self.clients.pop(client, None)

    def hear(self, note: ChatNote) -> None:
        """Take what was published on the chat's channel."""
        match note:
            case ChangedHint():
                self._target = max(self._target, note.snapshot_version)
            case PartBatch():
                self._hear_parts(note)

    def compare(self, version: int | None) -> None:
        """Take the version that the database has; None = the chat is gone."""
        if version is None:
            self.resync()
        else:
            self._target = max(self._target, version)

    def resync(self) -> None:
        """Read for everybody: something may have been missed."""
        for client in self.clients:
            client.want()

    def next_read(self) -> FeedRead | None:
        """Return what has to be read now, for all who need the same."""
        now = self._clock()
        stale = [client for client in self.clients if self._stale(client, now)]
        if not stale:
            return None
        since = stale[0].since()
        group = tuple(client for client in stale if client.since() == since)
        parts = any(client.wanting for client in group)
        for client in group:
            client.fetching, client.wanting = client.wanting, False
        return FeedRead(
            since=since, clients=group, parts=parts, target=self._target, ahead=self._ahead
        )

    def next_read_in(self) -> float | None:
        """Return in how many seconds something has to be read; None = when something happens."""
        now = self._clock()
        waiting = [one.not_before - now for one in self.clients if one.wanting]
        return max(min(waiting), 0.0) if waiting else None

    def apply(self, read: FeedRead, view: StreamView | None, entries: Sequence[PartEntry]) -> None:
        """Give to the clients of a read what it brought; `entries` without a gap from 1 on."""
        if view is None:
            self._end_all()
            return
        self._know(read, view)
        groups: dict[tuple[Cursor | None, bool, bool], list[Client]] = {}
        for client in read.clients:
            client.check(view)
            if client in self.clients and not client.gone:
                key = (client.cursor, client.resumed, client.joined)
                groups.setdefault(key, []).append(client)
        for group in groups.values():
            self._plan_for(group, view, entries)
        self._tidy()

    def fail(self, read: FeedRead, error: Exception, *, retry_in: float) -> None:
        """Note that a read failed: who was about to join is refused, the others wait."""
        for client in read.clients:
            client.fetching = False
            if client.opened.done():
                client.want(not_before=self._clock() + retry_in)
            else:
                client.refuse(error)
        self._tidy()

    def _stale(self, client: Client, now: float) -> bool:
        if client.wanting:
            return client.not_before <= now
        behind = client.snapshot < self._target or self._ahead is not None
        return client.live and behind

    def _know(self, read: FeedRead, view: StreamView) -> None:
        """Keep the view, and what it settles."""
        self.view = view
        if self._target == read.target:
            self._target = view.snapshot  # what was only hinted at must not be chased for ever
        self._target = max(self._target, view.snapshot)
        ahead, current = self._ahead, view.chat.episode
        if ahead is not None and (ahead == read.ahead or order(ahead) <= order(current)):
            self._ahead = None
        self._enter(current)

    def _enter(self, episode: Episode) -> bool:
        """Go on to an episode; False = it is older than one that was seen: a zombie's."""
        if order(episode) < order(self._newest):
            return False
        if episode != self._newest:
            self._newest = episode
            self._recent.clear()
            self._mark = 0
        return True

    def _hear_parts(self, batch: PartBatch) -> None:
        if not self._enter(batch.episode):
            return
        self._remember(batch.entries)
        if self.view is None:
            return
        current = self.view.chat.episode
        if order(batch.episode) > order(current):
            self._ahead = batch.episode  # what goes before its parts is in the database
        elif self.view.live:
            self._follow(self.view, batch.entries)

    def _remember(self, entries: Iterable[PartEntry]) -> None:
        """Keep what came, and forget what came before the last mark when that is old enough."""
        now = self._clock()
        if now > self._marked_at + RECENT_SECONDS:
            while self._recent and self._recent[0].seq <= self._mark:
                self._recent.popleft()
            self._marked_at, self._mark = now, self._recent[-1].seq if self._recent else 0
        self._recent.extend(entries)

    def _follow(self, view: StreamView, entries: Sequence[PartEntry]) -> None:
        groups: dict[Cursor, list[Client]] = {}
        for client in self.clients:
            if client.live and client.cursor is not None:
                groups.setdefault(client.cursor, []).append(client)
        now = self._clock()
        for cursor, group in groups.items():
            followed = tail(view, cursor, entries)
            frames = [encode_event(event) for event in followed.events]
            for client in group:
                client.push(followed.events, frames)
                client.move(followed, now)
        self._tidy()

    def _plan_for(
        self, group: Sequence[Client], view: StreamView, entries: Sequence[PartEntry]
    ) -> None:
        """Plan once for clients at the same place."""
        first = group[0]
        place = start_cursor(view) if first.cursor is None else first.cursor
        if view.newest is None and needs_reset(view, place):
            for client in group:
                client.reset = True
                client.want()
            return
        try:
            planned = catch_up(
                view, place, entries=entries, resumed=first.resumed, awaited=first.awaited
            )
        except BadCursor as error:
            for client in group:
                client.refuse(error)
            return
        # Parts that came while the read was under way go right behind it.
        current = view.live and planned.complete and self._newest == view.chat.episode
        recent: Iterable[PartEntry] = self._recent if current else ()
        followed = tail(view, planned.cursor, recent)
        events = (*planned.events, *followed.events)
        frames = [encode_event(event) for event in events]
        now = self._clock()
        for client in group:
            client.give(planned, view, events, frames)
            client.move(followed, now)

    def _end_all(self) -> None:
        """Tell everybody that the chat is gone."""
        for client in self.clients:
            if not client.opened.done():
                client.refuse(ChatNotFound())
            elif client.cursor is not None:
                gone = Event(name=EventName.CHAT_DELETED, body=NoBody(), cursor=client.cursor)
                client.send_buffer.put([encode_event(gone)])
                client.send_buffer.finish(EndReason.DONE)
        self._tidy()

    def _tidy(self) -> None:
        """Let go of clients to whom nothing more is to be sent."""
        for client in [one for one in self.clients if one.gone]:
            del self.clients[client]
            if client.send_buffer.end is EndReason.CUT_OFF:
                self._metrics.stream_cut_off_total.inc()
