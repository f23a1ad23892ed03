"""Every channel and key in Redis that events use: the only place where their names are made."""

from uuid import UUID

from shared.chats.model.ids import ChatId, WorkerId
from shared.chats.model.lease import Episode

_CHAT = "stepwell:chat:"
_PARTS = "stepwell:parts:"
_WORKER = "stepwell:worker:"


def chat_channel(chat_id: ChatId) -> str:
    """Return the pub/sub channel of a chat: hints and parts for whoever watches it."""
    return f"{_CHAT}{chat_id}"


def chat_of_channel(channel: str) -> ChatId:
    """Return whose channel it is. Raise `ValueError` when it is not a chat's."""
    if not channel.startswith(_CHAT):
        raise ValueError(f"{channel!r} is not the channel of a chat")
    return ChatId(UUID(channel.removeprefix(_CHAT)))


def parts_key(chat_id: ChatId, episode: Episode) -> str:
    """Return the key of the stream that buffers an episode's parts."""
    return f"{_PARTS}{chat_id}:{episode.history_version}:{episode.attempt}"


def worker_channel(worker_id: WorkerId) -> str:
    """Return the pub/sub channel on which a worker hears of steps to cancel."""
    return f"{_WORKER}{worker_id}"
