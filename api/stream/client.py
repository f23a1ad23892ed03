"""One client of a stream: what it asked for, where it stands, what waits to be sent to it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from api.stream.catch_up import CatchUp, since_cursor, since_start
from api.stream.cursor import Cursor
from api.stream.errors import TurnUnknown
from api.stream.event import Event, encode_event
from api.stream.send_buffer import EndReason, SendBuffer
from api.stream.stop_condition import Until, cut, holds
from api.stream.tail import Tailed, give_up
from shared.chats.model.chat import Chat
from shared.chats.model.errors import ChatNotFound
from shared.chats.model.ids import TurnId
from shared.chats.reads.stream import Since, StreamView

GAP_DELAYS: Final = (0.0, 0.05, 0.2, 0.5, 1.0)
"""When a missing part is looked for in the buffer: its worker may just be making that anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRequest:
    """What a client asks for.

    `place` is where it stands, None for a new stream. That begins with the `history` newest
    messages, None = with the message of the turn that `until` names. One that
    comes back may show a preview. `may_read` says whether the chat exists for it.
    """

    may_read: Callable[[Chat], bool]
    place: Cursor | None = None
    history: int | None = 50
    until: Until | None = None


class Client:
    """A reader of one chat. Its place and its flags belong to the watch of that chat.

    `wanting`: it must be read for, buffered parts included, not before `not_before`; `fetching`:
    that is under way. `joined`: it has had everything once, and gets what happens. `paging`: there
    is more to read as soon as it has taken what it got.
    """

    def __init__(self, request: StreamRequest, send_buffer: SendBuffer) -> None:
        """Take the request, and where to put what comes."""
        self.request = request
        self.send_buffer = send_buffer
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.cursor = request.place
        self.resumed = request.place is not None
        self.wanting = True
        self.not_before = 0.0
        self.joined = False
        self.paging = False
        self.fetching = False
        self.reset = False
        self.snapshot = -1
        self.gaps = 0

    @property
    def awaited(self) -> TurnId | None:
        """The turn whose outcome has to be looked up: only while joining."""
        until = self.request.until
        return None if self.joined or until is None else until.turn_id

    @property
    def live(self) -> bool:
        """It gets what happens, as it happens."""
        return self.joined and not (self.wanting or self.fetching or self.paging)

    def since(self) -> Since:
        """Return what has to be read for it."""
        if self.cursor is None:
            return since_start(self.request.history, self.awaited)
        return since_cursor(self.cursor, self.request.history, self.awaited, reset=self.reset)

    def want(self, *, not_before: float = 0.0) -> None:
        """Note that it has to be read for."""
        self.wanting, self.not_before = True, not_before

    @property
    def gone(self) -> bool:
        """Nothing more is to come."""
        return self.send_buffer.end is not None

    def check(self, view: StreamView) -> None:
        """Refuse it if this chat, or the turn it waits for, does not exist for it."""
        if self.opened.done():
            return
        if not self.request.may_read(view.chat):
            self.refuse(ChatNotFound())
        elif self.awaited is not None and view.turn is None:
            self.refuse(TurnUnknown())

    def refuse(self, error: Exception) -> None:
        """End it; `opened` raises the error, if that is not done yet."""
        if not self.opened.done():
            self.opened.set_exception(error)
        self.send_buffer.finish(EndReason.LEFT)

    def give(
        self, planned: CatchUp, view: StreamView, events: Sequence[Event], frames: Sequence[bytes]
    ) -> None:
        """Give what was read for it; the condition to end counts from the first whole read on."""
        if not self.opened.done():
            self.opened.set_result(None)
        self.reset = self.fetching = False
        self.paging = not planned.complete
        if planned.complete:
            # Until then it may hold what was taken back since: it has not been told of all.
            self.resumed = False
            self.snapshot = view.snapshot
        if self.joined:
            self.push(events, frames)
            return
        self.send_buffer.put(frames)
        self.joined = planned.complete
        until = self.request.until
        if self.joined and until is not None and holds(until, view):
            self.send_buffer.finish(EndReason.DONE)

    def push(self, events: Sequence[Event], frames: Sequence[bytes]) -> None:
        """Give what just happened."""
        until, done = self.request.until, False
        if until is not None:
            events, done = cut(until, events)
        if self.send_buffer.push(frames[: len(events)]) and done:
            self.send_buffer.finish(EndReason.DONE)

    def move(self, followed: Tailed, now: float) -> None:
        """Note where it stands now; look for parts that are missing, but not for ever."""
        self.cursor = followed.cursor
        if not followed.gap:
            self.gaps = 0
        elif self.gaps < len(GAP_DELAYS):
            self.want(not_before=now + GAP_DELAYS[self.gaps])
            self.gaps += 1
        else:
            given_up = give_up(followed.cursor)
            self.cursor, self.gaps = given_up.cursor, 0
            self.push(given_up.events, [encode_event(event) for event in given_up.events])
