"""Locks, inserts and deletes the row of a chat."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete
from sqlalchemy.exc import IntegrityError

from shared.chats.model.chat import Chat
from shared.chats.model.errors import ChatNotFound, KeyTaken
from shared.chats.model.ids import ChatId, MessageId, WorkerId
from shared.chats.store.chat_row import columns, read_chat
from shared.chats.store.statements import chat as row_query
from shared.chats.store.tables import chats
from shared.db.statement import Row, Statement

_KEY_CONSTRAINT = "chats_owner_key_key"

_LOCK: Final = Statement(row_query.lock())
_LOCK_FOR_BEGIN: Final = Statement(row_query.lock_for_begin())
_TIMES: Final = frozenset({"created_at", "updated_at", "phase_since"})  # now() by default
_INSERT: Final = Statement(row_query.insert_chat(without=_TIMES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A chat whose row this transaction holds, and the database's time after it got the lock.

    `spare_ids` are for messages: higher than those of all that the chat has, and rising.
    """

    chat: Chat
    now: datetime
    spare_ids: tuple[MessageId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedForBegin(Locked):
    """What begin learns in its first statement."""

    worker_alive: bool


def lock_chat(connection: Connection, chat_id: ChatId) -> Locked:
    """Lock the row. Raise `ChatNotFound`."""
    row = _LOCK.first(connection, {"chat": chat_id})
    if row is None:
        raise ChatNotFound
    return Locked(chat=read_chat(row), now=row["now"], spare_ids=_spare_ids(row))


def lock_for_begin(
    connection: Connection, chat_id: ChatId, *, worker_id: WorkerId, death: timedelta
) -> LockedForBegin:
    """Lock the row and, against being declared dead meanwhile, the own worker's row."""
    parameters = {"chat": chat_id, "worker": worker_id, "death": death}
    row = _LOCK_FOR_BEGIN.first(connection, parameters)
    if row is None:
        raise ChatNotFound
    return LockedForBegin(
        chat=read_chat(row),
        now=row["now"],
        worker_alive=row["alive"] > 0,
    )


def insert_chat(connection: Connection, chat: Chat) -> Locked:
    """Insert the row, and set its times to the database's time.

    Raise `KeyTaken` when the owner has a chat with this key.
    """
    values = {name: value for name, value in columns(chat).items() if name not in _TIMES}
    try:
        row = _INSERT.one(connection, values)
    except IntegrityError as error:
        if _KEY_CONSTRAINT in str(error.orig):
            raise KeyTaken(key=chat.key or "") from None
        raise
    now: datetime = row["now"]
    chat.created_at = chat.updated_at = chat.phase_since = now
    return Locked(chat=chat, now=now, spare_ids=_spare_ids(row))


def _spare_ids(row: Row) -> tuple[MessageId, ...]:
    return tuple(sorted(MessageId(row[name]) for name in row_query.SPARE_IDS))


def delete_chat(connection: Connection, chat_id: ChatId) -> None:
    """Delete the row; turns, messages and queue go with it."""
    connection.execute(delete(chats).where(chats.c.id == chat_id))
