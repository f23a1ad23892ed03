"""What the hub needs of the world, so that it can be tested without it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from shared.chats.model.ids import ChatId
from shared.chats.model.lease import Episode
from shared.chats.reads.stream import Since, StreamView
from shared.events.types import PartEntry


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


class Channels(Protocol):
    """The process's one pub/sub connection."""

    @property
    def connected(self) -> bool:
        """It hears everything."""
        ...

    async def subscribe(self, channel: str) -> None:
        """Return once the server has acknowledged it."""
        ...

    def unsubscribe(self, channel: str) -> None:
        """Leave a channel."""
        ...
