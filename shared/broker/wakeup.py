"""The names and the one payload that the API and the workers agree on at the broker."""

from typing import Final

from pydantic import BaseModel, ConfigDict

from shared.chats.model.ids import ChatId

RUN_STEP: Final = "chat.run_step"
"""The task: look at this chat and take one step if there is one to take."""

INTERACTIVE: Final = "chat.interactive"
"""The queue of chats that a person watches."""

BACKGROUND: Final = "chat.background"
"""The queue of compaction, titles, webhooks and schedules."""

QUEUES: Final = (INTERACTIVE, BACKGROUND)


class RunStep(BaseModel):
    """The payload of `chat.run_step`, a wake-up. Unknown fields are ignored: a newer process may
    have sent it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    chat_id: ChatId
