"""Who makes a request, and what that one may read."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType
from uuid import UUID

from api.auth.secret import Proof
from shared.chats.model.chat import Chat

KeyId = NewType("KeyId", UUID)


class KeyRole(StrEnum):
    """What a key is good for."""

    USER = "user"  # its owner's chats
    ADMIN = "admin"  # every chat


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The owner of the key that a request came with."""

    key_id: KeyId
    owner: str
    role: KeyRole
    proof: Proof = field(repr=False)

    @property
    def sees(self) -> str | None:
        """The owner whose chats this caller may read; None = everybody's."""
        return None if self.role is KeyRole.ADMIN else self.owner

    @property
    def name(self) -> str:
        """Whose repeated requests are the same: a new key of the same owner changes nothing."""
        return f"{self.role.value}:{self.owner}"

    def may_read(self, chat: Chat) -> bool:
        """Say whether the chat exists for this caller."""
        return self.sees is None or self.sees == chat.owner
