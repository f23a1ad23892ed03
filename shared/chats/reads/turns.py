"""Read-only questions about turns: outcome, usage, time."""

from typing import Any, Final

from sqlalchemy import (
    Connection,
    RowMapping,
    Select,
    and_,
    case,
    func,
    lateral,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from shared.chats.model.ids import ChatId, TurnId
from shared.chats.model.messages import Usage
from shared.chats.model.statuses import TurnStatus
from shared.chats.model.turns import Turn
from shared.chats.store import codec
from shared.chats.store.tables import chats, messages, turns

_COUNTS: Final = (
    "input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cache_read_tokens",
    "cache_creation_tokens",
)


def find_turn(connection: Connection, chat_id: ChatId, turn_id: TurnId) -> Turn | None:
    """Return a turn of this chat."""
    spent = lateral(_spent()).alias("spent")
    # What is booked to the current turn stands on the chat until the turn ends.
    going_on = and_(chats.c.current_turn_id == turns.c.id, turns.c.ended_at.is_(None))
    statement = (
        select(
            turns,
            case((going_on, chats.c.turn_time), else_=turns.c.time).label("spent_time"),
            *spent.c,
        )
        .select_from(turns.join(chats, chats.c.id == turns.c.chat_id).join(spent, true()))
        .where(turns.c.chat_id == chat_id, turns.c.id == turn_id)
    )
    row = connection.execute(statement).mappings().first()
    return None if row is None else _turn(row)


def _spent() -> Select[Any]:
    """Sum what the messages of a turn cost; those of an answer edited away were paid for too."""
    limits = func.array_agg(aggregate_order_by(messages.c.context_limit, messages.c.id.desc()))
    return select(
        *(func.coalesce(func.sum(messages.c[name]), 0).label(name) for name in _COUNTS),
        limits.filter(messages.c.context_limit > 0).label("limits"),
    ).where(
        messages.c.chat_id == turns.c.chat_id,
        messages.c.turn_id == turns.c.id,
        # They come after the user's message, which spares reading the chat from its beginning.
        messages.c.id >= func.coalesce(turns.c.user_message_id, 0),
    )


def _turn(row: RowMapping) -> Turn:
    limits = row["limits"]
    counts = {name: int(row[name]) for name in _COUNTS}
    return Turn(
        id=TurnId(row["id"]),
        chat_id=ChatId(row["chat_id"]),
        status=TurnStatus(row["status"]),
        user_message_id=row["user_message_id"],
        answer_message_id=row["answer_message_id"],
        error=codec.load_error(row["error"]),
        usage=Usage(**counts, context_limit=int(limits[0]) if limits else 0),
        steps=row["steps"],
        time=codec.load_turn_time(row["spent_time"]),
        created_at=row["created_at"],
        ended_at=row["ended_at"],
    )
