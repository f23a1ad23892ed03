"""One client of a stream: what it asked for, where it stands, what waits to be sent to it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from api.stream.events import Event, encode_event
from api.stream.follow import Followed, give_up
from api.stream.outbox import End, Outbox
from api.stream.plan import Plan, since_start, since_vector
from api.stream.until import TurnUnknown, Until, cut, holds
from api.stream.vector import Vector
from shared.chats.model.chat import Chat
from shared.chats.model.errors import ChatNotFound
from shared.chats.model.ids import TurnId
from shared.chats.reads.stream import Since, StreamView

GAP_DELAYS: Final = (0.0, 0.05, 0.2, 0.5, 1.0)
"""When a missing part is looked for in the buffer: its worker may just be making that anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a client asks for.

    `place` is where it stands, None for a new stream. That begins with the `history` newest
    messages, None = with the message of the turn that `until` names. `resumed`: it comes back, and
    may show a preview. `may_read` says whether the chat exists for it.
    """

    may_read: Callable[[Chat], bool]
    place: Vector | None = None
    resumed: bool = True
    history: int | None = 50
    until: Until | None = None


class Client:
    """A reader of one chat. Its place and its flags belong to the watch of that chat.

    `wanting`: it must be read for, buffered parts included, not before `not_before`; `fetching`:
    that is under way. `joined`: it has had everything once, and gets what happens. `paging`: there
    is more to read as soon as it has taken what it got.
    """

    def __init__(self, wish: Wish, outbox: Outbox) -> None:
        """Take the wish, and where to put what comes."""
        self.wish = wish
        self.outbox = outbox
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.vector = wish.place
        self.resumed = wish.resumed and wish.place is not None
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
        until = self.wish.until
        return None if self.joined or until is None else until.turn_id

    @property
    def live(self) -> bool:
        """It gets what happens, as it happens."""
        return self.joined and not (self.wanting or self.fetching or self.paging)

    def since(self) -> Since:
        """Return what has to be read for it."""
        if self.vector is None:
            return since_start(self.wish.history, self.awaited)
        return since_vector(self.vector, self.wish.history, self.awaited, reset=self.reset)

    def want(self, *, not_before: float = 0.0) -> None:
        """Note that it has to be read for."""
        self.wanting, self.not_before = True, not_before

    @property
    def gone(self) -> bool:
        """Nothing more is to come."""
        return self.outbox.end is not None

    def check(self, view: StreamView) -> None:
        """Refuse it if this chat, or the turn it waits for, does not exist for it."""
        if self.opened.done():
            return
        if not self.wish.may_read(view.chat):
            self.refuse(ChatNotFound())
        elif self.awaited is not None and view.turn is None:
            self.refuse(TurnUnknown())

    def refuse(self, error: Exception) -> None:
        """End it; `opened` raises the error, if that is not done yet."""
        if not self.opened.done():
            self.opened.set_exception(error)
        self.outbox.finish(End.LEFT)

    def give(
        self, planned: Plan, view: StreamView, events: Sequence[Event], frames: Sequence[bytes]
    ) -> None:
        """Give what was read for it; the condition to end counts from the first whole read on."""
        if not self.opened.done():
            self.opened.set_result(None)
        self.resumed = self.reset = self.fetching = False
        self.paging = not planned.complete
        if planned.complete:
            self.snapshot = view.snapshot
        if self.joined:
            self.push(events, frames)
            return
        self.outbox.put(frames)
        self.joined = planned.complete
        until = self.wish.until
        if self.joined and until is not None and holds(until, view):
            self.outbox.finish(End.DONE)

    def push(self, events: Sequence[Event], frames: Sequence[bytes]) -> None:
        """Give what just happened."""
        until, done = self.wish.until, False
        if until is not None:
            events, done = cut(until, events)
        if self.outbox.push(frames[: len(events)]) and done:
            self.outbox.finish(End.DONE)

    def move(self, followed: Followed, now: float) -> None:
        """Note where it stands now; look for parts that are missing, but not for ever."""
        self.vector = followed.vector
        if not followed.gap:
            self.gaps = 0
        elif self.gaps < len(GAP_DELAYS):
            self.want(not_before=now + GAP_DELAYS[self.gaps])
            self.gaps += 1
        else:
            given_up = give_up(followed.vector)
            self.vector, self.gaps = given_up.vector, 0
            self.push(given_up.events, [encode_event(event) for event in given_up.events])
