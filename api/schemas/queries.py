"""The query parameters of lists, and the cursors of lists of chats."""

import base64
import binascii
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from api.schemas.fields import MAX_ID, MAX_KEY_CHARACTERS
from shared.chats.model.ids import ChatId
from shared.chats.model.statuses import Status

Limit = Annotated[int, Field(ge=1, le=200)]
MessageBound = Annotated[int, Field(ge=0, le=MAX_ID)]


class _Query(BaseModel):
    """Parameters; an unknown one is refused, because leaving it out would list too much."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _pair(label: str) -> str:
    if ":" not in label:
        raise PydanticCustomError("label", "must have the form name:value")
    return label


def _cursor(text: str) -> str:
    if read_cursor(text) is None:
        raise PydanticCustomError("cursor", "must be the next_cursor of the page before")
    return text


class ChatQuery(_Query):
    """Which chats to list, the newest first."""

    status: Status | None = None
    key: Annotated[str, Field(min_length=1, max_length=MAX_KEY_CHARACTERS)] | None = None
    label: Annotated[
        list[Annotated[str, AfterValidator(_pair)]],
        Field(max_length=50, description="name:value; given several times, all must match"),
    ] = Field(default_factory=list[str])
    archived: bool | None = None
    limit: Limit = 50
    cursor: Annotated[str, AfterValidator(_cursor)] | None = None


class MessageQuery(_Query):
    """Which messages to list: newest first, with `after_id` the oldest first."""

    before_id: MessageBound | None = None
    after_id: MessageBound | None = None
    limit: Limit = 50


class TurnQuery(_Query):
    """How long to wait for a turn."""

    wait: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False, description="in seconds")] = 0


def write_cursor(last: ChatId) -> str:
    """Return the cursor behind a chat."""
    return base64.urlsafe_b64encode(last.bytes).decode().rstrip("=")


def read_cursor(text: str) -> ChatId | None:
    """Return the chat that a cursor stands behind, None = it is not one."""
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii") + b"==")
        return ChatId(UUID(bytes=raw))
    except (binascii.Error, ValueError):
        return None
