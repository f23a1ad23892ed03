"""The ids in paths. One that can't be an id names nothing, which is a 404."""

from typing import Annotated, Final

from fastapi import Path

from shared.chats.types import ChatId, TurnId

MAX_ID: Final = 2**63 - 1

ChatPath = Annotated[ChatId, Path(description="the id of a chat")]
TurnPath = Annotated[TurnId, Path(description="the id of a turn of the chat")]
MessagePath = Annotated[int, Path(ge=1, le=MAX_ID, description="the id of a message of the chat")]
QueuedPath = Annotated[int, Path(ge=1, le=MAX_ID, description="the id of a queued message")]
