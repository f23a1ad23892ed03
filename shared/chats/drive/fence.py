"""The fence of a step: who lost it writes nothing."""

from dataclasses import dataclass

from shared.chats.change import Change
from shared.chats.errors import StaleFence
from shared.chats.types import LeaseId


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """What a step began with, or adopted at its last commit."""

    history_version: int
    lease_id: LeaseId

    def check(self, change: Change) -> None:
        """Raise `StaleFence` unless the chat is still this step's."""
        chat = change.chat
        if chat.lease_id != self.lease_id or chat.history_version != self.history_version:
            raise StaleFence
