"""The fence of a step: who lost it writes nothing."""

from shared.chats.machine.change import Change
from shared.chats.model.errors import StaleFence
from shared.chats.model.lease import Fence


def check_fence(change: Change, fence: Fence) -> None:
    """Raise `StaleFence` unless the chat is still the step's that began with this fence."""
    chat = change.chat
    if chat.lease_id != fence.lease_id or chat.history_version != fence.history_version:
        raise StaleFence
