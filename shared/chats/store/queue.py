"""The statements of a chat's queue: interrupting messages first, then in the order they came."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from shared.chats.model.ids import ChatId, QueuedId, TurnId
from shared.chats.model.messages import QueuedMessage
from shared.chats.model.parts import Part
from shared.chats.store import codec
from shared.chats.store.tables import queued_messages as queued
from shared.jsonvalue import JsonObject

_ORDER = (queued.c.interrupting.desc(), queued.c.position)


def append(
    connection: Connection,
    chat_id: ChatId,
    *,
    turn_id: TurnId,
    content: Sequence[Part],
    interrupting: bool,
    model: str | None,
    author: str | None,
    metadata: JsonObject | None,
    now: datetime,
) -> QueuedMessage:
    """Put a message behind the others of its class."""
    last = select(func.coalesce(func.max(queued.c.position), 0)).where(queued.c.chat_id == chat_id)
    statement = (
        insert(queued)
        .values(
            chat_id=chat_id,
            turn_id=turn_id,
            position=last.scalar_subquery() + 1,
            interrupting=interrupting,
            content=codec.dump_parts(content),
            model=model,
            author=author,
            metadata=metadata,
            created_at=now,
        )
        .returning(queued)
    )
    return _read(connection.execute(statement).mappings().one())


def pop_head(connection: Connection, chat_id: ChatId) -> QueuedMessage | None:
    """Take the message that is next."""
    head = select(queued.c.id).where(queued.c.chat_id == chat_id).order_by(*_ORDER).limit(1)
    statement = delete(queued).where(queued.c.id == head.scalar_subquery()).returning(queued)
    row = connection.execute(statement).mappings().first()
    return None if row is None else _read(row)


def remove(connection: Connection, chat_id: ChatId, queued_id: QueuedId) -> QueuedMessage | None:
    """Take one message out."""
    statement = (
        delete(queued)
        .where(queued.c.chat_id == chat_id, queued.c.id == queued_id)
        .returning(queued)
    )
    row = connection.execute(statement).mappings().first()
    return None if row is None else _read(row)


def clear(connection: Connection, chat_id: ChatId) -> list[QueuedMessage]:
    """Take all messages out and return them."""
    statement = delete(queued).where(queued.c.chat_id == chat_id).returning(queued)
    return [_read(row) for row in connection.execute(statement).mappings()]


def move_to_head(connection: Connection, chat_id: ChatId, queued_id: QueuedId) -> bool:
    """Make a message the next one, and interrupting; False = it is not in the queue."""
    first = select(func.min(queued.c.position)).where(queued.c.chat_id == chat_id)
    statement = (
        update(queued)
        .where(queued.c.chat_id == chat_id, queued.c.id == queued_id)
        .values(position=first.scalar_subquery() - 1, interrupting=True)
    )
    return connection.execute(statement).rowcount == 1


def has_interrupting(connection: Connection, chat_id: ChatId) -> bool:
    """Say whether an interrupting message waits."""
    statement = select(queued.c.id).where(queued.c.chat_id == chat_id, queued.c.interrupting)
    return connection.execute(statement.limit(1)).first() is not None


def load(connection: Connection, chat_id: ChatId) -> list[QueuedMessage]:
    """Return the queue in the order in which it will be promoted."""
    statement = select(queued).where(queued.c.chat_id == chat_id).order_by(*_ORDER)
    return [_read(row) for row in connection.execute(statement).mappings()]


def _read(row: RowMapping) -> QueuedMessage:
    return QueuedMessage(
        id=QueuedId(row["id"]),
        chat_id=ChatId(row["chat_id"]),
        turn_id=TurnId(row["turn_id"]),
        position=row["position"],
        interrupting=row["interrupting"],
        content=codec.load_parts(row["content"]),
        created_at=row["created_at"],
        model=row["model"],
        author=row["author"],
        metadata=row["metadata"],
    )
