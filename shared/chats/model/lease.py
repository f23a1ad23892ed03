"""Who works on a chat: the fence of a lease, and the episode of an attempt."""

from dataclasses import dataclass, field

from shared.chats.model.ids import ChatId, LeaseId
from shared.chats.model.statuses import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """What a step began with, or adopted at its last commit."""

    history_version: int
    lease_id: LeaseId


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedChat:
    """A chat that a worker holds, as the database sees it."""

    chat_id: ChatId
    fence: Fence
    status: Status
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One attempt of a chat at one state of its history: whose parts belong together."""

    history_version: int
    attempt: int = field(default=0)
