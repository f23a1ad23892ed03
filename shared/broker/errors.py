"""The errors of the queue."""

from shared.chats.machine.effects import EffectFailed
from shared.chats.model.ids import ChatId


class EnqueueFailed(EffectFailed):
    """The broker did not take a delivery for a chat; the sweeper will find the chat."""

    def __init__(self, chat_id: ChatId, reason: str) -> None:
        """Keep the chat and what the broker's client said."""
        super().__init__(f"no delivery for chat {str(chat_id)!r}: {reason}")
        self.chat_id = chat_id
        self.reason = reason
