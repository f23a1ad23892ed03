"""The messages of a chat under its row lock: read, inserted and removed, and as they are stored."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    bindparam,
    func,
    insert,
    select,
    update,
)

from shared.chats.model.ids import ChatId, MessageId, TurnId
from shared.chats.model.messages import (
    Message,
    NewMessage,
    Prompt,
    PromptRow,
    Role,
    Usage,
    Visibility,
)
from shared.chats.store import codec
from shared.chats.store.statements import chat as row_query
from shared.chats.store.tables import messages
from shared.db.statement import Row
from shared.jsonvalue import storable

Stored = Mapping[str, object]
"""The columns of a row, by their names."""
_DRAW: Final = select(row_query.next_message_id()).select_from(
    func.generate_series(1, bindparam("count", type_=BigInteger))
)
_DEFAULTS: Final[Stored] = {
    "visibility": Visibility.BOTH.value,
    "compressed": False,
    "interrupted": False,
}
_COUNTS: Final = tuple(field.name for field in fields(Usage))


def draw_ids(connection: Connection, count: int) -> list[MessageId]:
    """Return ids for so many messages; they rise, also over those of this chat so far."""
    drawn = connection.execute(_DRAW, {"count": count}).scalars().all()
    return [MessageId(id_) for id_ in sorted(drawn)]


def insert_messages(connection: Connection, rows: Sequence[Stored]) -> None:
    """Insert messages as `stored_message` returns them."""
    connection.execute(insert(messages), [dict(row) for row in rows])


def stored_message(
    chat_id: ChatId,
    message_id: MessageId,
    row: NewMessage,
    *,
    revision: int,
    attempt: int,
    now: datetime,
) -> Stored:
    """Return the columns of a message, as they are stored."""
    usage = {name: getattr(row.usage, name, None) for name in _COUNTS}
    return {
        "id": message_id,
        "chat_id": chat_id,
        "turn_id": row.turn_id,
        "role": row.role.value,
        "content": codec.dump_parts(row.content),
        "revision": revision,
        "visibility": row.visibility.value,
        "compressed": row.compressed,
        "interrupted": row.interrupted,
        "author": row.author,
        "metadata": row.metadata,
        "model": row.model,
        "provider_response_id": storable(row.provider_response_id),
        "created_at": now,
        "attempt": attempt,
        **usage,
    }


def without_defaults(row: Stored) -> Stored:
    """Return what the database does not fill in by itself."""
    return {name: value for name, value in row.items() if value != _DEFAULTS.get(name)}


def read_message(row: Row | RowMapping) -> Message:
    """Build a message from its row."""
    usage = None
    if row["input_tokens"] is not None:
        usage = Usage(**{name: row[name] or 0 for name in _COUNTS})
    return Message(
        id=MessageId(row["id"]),
        chat_id=ChatId(row["chat_id"]),
        turn_id=row["turn_id"],
        role=Role(row["role"]),
        content=codec.load_parts(row["content"]),
        created_at=row["created_at"],
        revision=row["revision"],
        attempt=row["attempt"],
        visibility=Visibility(row["visibility"]),
        compressed=row["compressed"],
        interrupted=row["interrupted"],
        model=row["model"],
        usage=usage,
        author=row["author"],
        metadata=row["metadata"],
        provider_response_id=row["provider_response_id"],
    )


def read_prompt(rows: Sequence[Row]) -> Prompt:
    """Build a prompt from its rows."""
    return Prompt(
        messages=tuple(_read_line(row) for row in rows),
        steps=(rows[0]["turn_steps"] or 0) if rows else 0,
        chain_disabled=bool(rows and rows[0]["turn_unchained"]),
    )


def _read_line(row: Row) -> PromptRow:
    return PromptRow(
        id=MessageId(row["id"]),
        turn_id=row["turn_id"],
        role=Role(row["role"]),
        content=codec.load_parts(row["content"]),
    )


def load_since_calls(connection: Connection, chat_id: ChatId, turn_id: TurnId) -> list[Message]:
    """Return a turn's current messages from its newest calls on, oldest first.

    Calls before those are answered: the model is not asked again before they are.
    """
    of_turn = and_(_current(chat_id), messages.c.turn_id == turn_id)
    newest = select(func.max(messages.c.id)).where(
        of_turn, messages.c.content.contains([{"type": "tool-call"}])
    )
    statement = (
        select(messages)
        .where(of_turn, messages.c.id >= newest.scalar_subquery())
        .order_by(messages.c.id)
    )
    return [read_message(row) for row in connection.execute(statement).mappings()]


def find_message(connection: Connection, chat_id: ChatId, message_id: MessageId) -> Message | None:
    """Return one current message."""
    statement = select(messages).where(_current(chat_id), messages.c.id == message_id)
    row = connection.execute(statement).mappings().first()
    return None if row is None else read_message(row)


def remove_messages_from(
    connection: Connection,
    chat_id: ChatId,
    first: MessageId,
    *,
    revision: int,
    now: datetime,
) -> None:
    """Soft-delete a message and all after it."""
    statement = (
        update(messages)
        .where(_current(chat_id), messages.c.id >= first)
        .values(deleted_at=now, revision=revision)
    )
    connection.execute(statement)


def last_message_id(connection: Connection, chat_id: ChatId) -> MessageId:
    """Return the newest current message's id, 0 if there is none."""
    statement = select(func.coalesce(func.max(messages.c.id), 0)).where(_current(chat_id))
    return MessageId(connection.execute(statement).scalar_one())


def _current(chat_id: ChatId) -> ColumnElement[bool]:
    return and_(messages.c.chat_id == chat_id, messages.c.deleted_at.is_(None))
