"""What a move answers: written once, so that a repeated request gets the very same bytes."""

from dataclasses import dataclass

import orjson

from shared.chats.model.ids import ChatId, TurnId
from shared.jsonvalue import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAnswer:
    """A status and a JSON body, and the chat and turn that they are about."""

    status: int
    body: bytes
    chat_id: ChatId
    turn_id: TurnId | None


def record_answer(
    status: int, value: JsonValue, *, chat_id: ChatId, turn_id: TurnId | None
) -> RecordedAnswer:
    """Write an answer."""
    return RecordedAnswer(status=status, body=orjson.dumps(value), chat_id=chat_id, turn_id=turn_id)
