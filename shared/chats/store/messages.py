"""The history of a chat in SQL: read, inserted and removed under its row lock, and as stored."""

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


class SqlHistory:
    """The messages of a chat whose row is locked; a `shared.chats.machine.collections.History`.

    What is inserted waits to be written together with the chat's row, or before the next read.
    """

    def __init__(
        self, connection: Connection, chat_id: ChatId, spare_ids: Sequence[MessageId] = ()
    ) -> None:
        """Take the transaction that holds the lock; `spare_ids` were drawn under it, and rise."""
        self._connection = connection
        self._chat_id = chat_id
        self._spare_ids = list(spare_ids)
        self._waiting: list[Stored] = []

    def insert(
        self, rows: Sequence[NewMessage], *, revision: int, attempt: int, now: datetime
    ) -> list[MessageId]:
        """Add messages in their order; return their ids, which rise over all earlier ones."""
        ids = self._draw_ids(len(rows))
        stamps = {"revision": revision, "attempt": attempt}
        self._waiting += [
            stored_message(self._chat_id, id_, row, now=now, **stamps)
            for id_, row in zip(ids, rows, strict=True)
        ]
        return ids

    def take_waiting(self, most: int) -> Sequence[Stored]:
        """Hand over what is not written yet; were it over `most`, it is written here instead."""
        if len(self._waiting) > most:
            self._write_waiting()
        waiting, self._waiting = self._waiting, []
        return waiting

    def find(self, message_id: MessageId) -> Message | None:
        """Return one current message."""
        self._write_waiting()
        statement = select(messages).where(self._current(), messages.c.id == message_id)
        row = self._connection.execute(statement).mappings().first()
        return None if row is None else read_message(row)

    def remove_from(self, first: MessageId, *, revision: int, now: datetime) -> None:
        """Soft-delete a message and all after it; readers are told by the `revision`."""
        self._write_waiting()
        self._connection.execute(
            update(messages)
            .where(self._current(), messages.c.id >= first)
            .values(deleted_at=now, revision=revision)
        )

    def since_calls(self, turn_id: TurnId) -> list[Message]:
        """Return a turn's current messages from its newest calls on, oldest first.

        Calls before those are answered: the model is not asked again before they are.
        """
        self._write_waiting()
        of_turn = and_(self._current(), messages.c.turn_id == turn_id)
        newest = select(func.max(messages.c.id)).where(
            of_turn, messages.c.content.contains([{"type": "tool-call"}])
        )
        statement = (
            select(messages)
            .where(of_turn, messages.c.id >= newest.scalar_subquery())
            .order_by(messages.c.id)
        )
        return [read_message(row) for row in self._connection.execute(statement).mappings()]

    def _draw_ids(self, count: int) -> list[MessageId]:
        missing = count - len(self._spare_ids)
        if missing > 0:
            drawn = self._connection.execute(_DRAW, {"count": missing}).scalars().all()
            self._spare_ids += [MessageId(id_) for id_ in sorted(drawn)]
        ids, self._spare_ids = self._spare_ids[:count], self._spare_ids[count:]
        return ids

    def _write_waiting(self) -> None:
        if self._waiting:
            self._connection.execute(insert(messages), [dict(row) for row in self._waiting])
            self._waiting = []

    def _current(self) -> ColumnElement[bool]:
        return and_(messages.c.chat_id == self._chat_id, messages.c.deleted_at.is_(None))


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
        "content": codec.dump_parts(row.content) if row.stored is None else list(row.stored),
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
