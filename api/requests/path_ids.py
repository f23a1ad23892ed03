"""The ids in paths. One that can't be an id names nothing, which is a 404."""

import re
from typing import Annotated, Final

from fastapi import Path
from pydantic import BeforeValidator, Field

from api.schemas.fields import MAX_ID
from shared.chats.model.ids import ChatId, TurnId

_DIGITS: Final = re.compile(r"[0-9]{1,19}")


def _digits(text: str) -> str:
    # Else 1.0 and +1 would be other names of 1.
    if not _DIGITS.fullmatch(text):
        raise ValueError("must be digits")
    return text


_Id = Annotated[int, Field(ge=1, le=MAX_ID), BeforeValidator(_digits)]
ChatPath = Annotated[ChatId, Path(description="the id of a chat")]
TurnPath = Annotated[TurnId, Path(description="the id of a turn of the chat")]
MessagePath = Annotated[_Id, Path(description="the id of a message of the chat")]
QueuedPath = Annotated[_Id, Path(description="the id of a queued message")]
