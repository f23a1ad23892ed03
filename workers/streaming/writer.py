"""The end of an episode that a step holds: it adds parts, and never waits for Redis to add one."""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from types import TracebackType
from typing import Self

from shared.chats.model.ids import ChatId
from shared.chats.model.lease import Episode
from shared.chats.model.messages import Role
from shared.chats.model.parts import Part, ReasoningPart, TextPart
from shared.events.channels import chat_channel, parts_key
from shared.events.types import Delta
from workers.streaming.episode import Cap, EpisodeState


class EpisodeEnding(StrEnum):
    """What becomes of an episode's buffer."""

    OPEN = "open"  # the step goes on
    CLOSED = "closed"  # its rows are committed: the buffer lives on for a minute
    DISCARDED = "discarded"  # the attempt is void: the buffer is emptied
    SEALED = "sealed"  # somebody else has ended it with what is in the buffer


_VOID = (EpisodeEnding.DISCARDED, EpisodeEnding.SEALED)


class EpisodeWriter:
    """Takes the parts of one streaming step; made by `Flusher.open`. Not thread-safe: loop only.

    ::

        with flusher.open(chat_id, Episode(history_version=h, attempt=a)) as writer:
            writer.add(0, Role.ASSISTANT, TextPart(text="Hel"))  # deltas, or parts that are whole
            writer.done(0, Role.ASSISTANT, part)                 # the provider's finished part
            await writer.flush()                                 # before settle's transaction
            ...                                                  # commit
            writer.close()       # or writer.discard() once a retry is recorded

    Leaving the block closes what is neither closed nor discarded. Nothing here raises for Redis.
    """

    def __init__(
        self,
        chat_id: ChatId,
        episode: Episode,
        *,
        cap: Cap,
        wake: Callable[["EpisodeWriter", bool], None],
    ) -> None:
        """Take the flusher's `wake`: something waits, and whether it is urgent."""
        self.chat_id = chat_id
        self.episode = episode
        self.key = parts_key(chat_id, episode)
        self.channel = chat_channel(chat_id)
        self.state = EpisodeState(cap)
        self.ending = EpisodeEnding.OPEN
        self.retry_rewrite_at = 0.0
        self._wake = wake
        self._streamed: set[tuple[Role, int]] = set()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close, unless that is done."""
        self.close()

    def add(self, index: int, role: Role, delta: Delta) -> None:
        """Stream a piece of the part at `index` of the message that this becomes.

        Text, reasoning and the arguments of calls come as deltas, all others whole. After the end
        of the episode nothing happens.
        """
        if self.ending is not EpisodeEnding.OPEN:
            return
        if isinstance(delta, TextPart | ReasoningPart):
            self._streamed.add((role, index))
        self.state.add(index, role, delta)
        self._wake(self, self.state.urgent)

    def done(self, index: int, role: Role, part: Part) -> None:
        """Stream the finished part at `index`: of one whose text went out, only its metadata."""
        text = isinstance(part, TextPart | ReasoningPart)
        if not text or (role, index) not in self._streamed:
            self.add(index, role, part)
        elif part.provider_metadata is not None:
            kind = type(part)
            self.add(index, role, kind(text="", provider_metadata=part.provider_metadata))

    async def flush(self, timeout: float = 0.25) -> bool:
        """Wait until all that was added is published, `timeout` seconds at most; say whether it is.

        Before settle: so the last part goes out before the message that it became.
        """
        if self.state.published >= self.state.last:
            return True
        if self.ending is EpisodeEnding.SEALED:
            return False
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append((self.state.last, waiting))
        self._wake(self, True)
        try:
            async with asyncio.timeout(timeout):
                await waiting
        except TimeoutError:
            return False
        return self.state.published >= self.state.last

    def close(self) -> None:
        """End the episode: its rows are committed, or it just ends. Its buffer lives a minute."""
        self._end(EpisodeEnding.CLOSED)

    def discard(self) -> None:
        """End the episode as void and empty its buffer: nothing of it goes out from now on."""
        if self.ending is EpisodeEnding.OPEN:
            self.state.clear()
            self._end(EpisodeEnding.DISCARDED)

    def seal(self) -> None:
        """Note that nothing more may go out: it would be shown and not be kept. For the flusher."""
        self.state.clear()
        self.ending = EpisodeEnding.SEALED
        self.published()

    def published(self) -> None:
        """Wake who waits in `flush` for what has gone out. For the flusher."""
        still: list[tuple[int, asyncio.Future[None]]] = []
        for last, waiting in self._waiting:
            if last > self.state.published and self.ending not in _VOID:
                still.append((last, waiting))
            elif not waiting.done():
                waiting.set_result(None)
        self._waiting = still

    def _end(self, ending: EpisodeEnding) -> None:
        if self.ending is EpisodeEnding.OPEN:
            self.ending = ending
            self.published()
            self._wake(self, True)
