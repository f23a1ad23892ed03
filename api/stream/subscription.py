"""A feed, and what keeps it going while somebody watches."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from api.stream.errors import StreamUnavailable
from api.stream.feed import Feed, FeedRead
from shared.chats.model.ids import ChatId
from shared.chats.model.lease import Episode
from shared.chats.reads.stream import Since, StreamView
from shared.db.outage import is_outage
from shared.events.errors import BufferUnavailable
from shared.events.types import PartEntry

_log = structlog.stdlib.get_logger()


@dataclass(eq=False, slots=True, kw_only=True)
class Subscription:
    """One watched chat of the hub: its subscription and the task that reads for it."""

    feed: Feed
    subscribed: asyncio.Future[None]
    kicked: asyncio.Event
    joining: int = 0
    task: asyncio.Task[None] | None = None

    @property
    def deserted(self) -> bool:
        """Nobody watches."""
        return not (self.joining or self.feed.clients)

    def kick(self) -> None:
        """Have a look at what is to be read."""
        self.kicked.set()


class Reads(Protocol):
    """Where streams read from."""

    async def view(self, chat_id: ChatId, since: Since) -> StreamView | None:
        """Return the chat and what is newer; None when there is no such chat."""
        ...

    async def versions(self, chat_ids: Sequence[ChatId]) -> Mapping[ChatId, int]:
        """Return the snapshot versions of the chats that exist."""
        ...

    async def parts(self, chat_id: ChatId, episode: Episode) -> Sequence[PartEntry]:
        """Return the buffer of an episode, from 1 on. Raises `BufferUnavailable`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What serving takes; times in seconds."""

    reads: Reads
    sleep: Callable[[float], Awaitable[None]]
    first_retry: float
    last_retry: float


async def serve(subscription: Subscription, how: Serving, *, watched: Callable[[], bool]) -> None:
    """Read whenever something has to be read, until the chat is no longer `watched`."""
    retry = how.first_retry
    while watched():
        read = subscription.feed.next_read()
        if read is None:
            await _pause(subscription, how)
            continue
        try:
            await _read(subscription, read, how.reads)
            retry = how.first_retry
        except Exception as error:
            # The database is away, or this is a defect: either way the others must not suffer.
            _tell(subscription, error)
            subscription.feed.fail(read, StreamUnavailable(), retry_in=retry)
            retry = min(retry * 2, how.last_retry)


async def _read(subscription: Subscription, read: FeedRead, reads: Reads) -> None:
    feed = subscription.feed
    view = await reads.view(feed.chat_id, read.since)
    entries = await _parts(view, reads) if view is not None and read.parts else ()
    feed.apply(read, view, entries)


async def _parts(view: StreamView, reads: Reads) -> Sequence[PartEntry]:
    if not view.live:
        return ()
    try:
        return await reads.parts(view.chat.id, view.chat.episode)
    except BufferUnavailable as error:
        # Redis is away; when it is back everybody is read for again.
        _log.info("stream.buffer_unavailable", error=str(error))
        return ()


def _tell(subscription: Subscription, error: Exception) -> None:
    chat_id = str(subscription.feed.chat_id)
    if is_outage(error):
        _log.warning("stream.read_failed", chat_id=chat_id, error=type(error).__name__)
    else:
        _log.error("stream.read_failed", chat_id=chat_id, exc_info=error)


async def _pause(subscription: Subscription, how: Serving) -> None:
    """Wait until something happens, or until it is time to try again."""
    subscription.kicked.clear()
    waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(subscription.kicked.wait())]
    seconds = subscription.feed.next_read_in()
    if seconds is not None:
        waits.append(asyncio.ensure_future(how.sleep(seconds)))
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
