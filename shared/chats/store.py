"""Every statement that reads or writes a chat under its row lock."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Update,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from shared.chats.errors import ChatNotFound, KeyTaken
from shared.chats.record import Chat, changes, columns, read_chat
from shared.chats.states import ENDED, TurnStatus
from shared.chats.tables import chats, turns, workers
from shared.chats.types import (
    ChatId,
    TurnId,
    WorkerId,
)

_KEY_CONSTRAINT = "chats_owner_key_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A chat whose row this transaction holds, and the database's time after it got the lock."""

    chat: Chat
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedForBegin:
    """What begin learns in its first statement."""

    chat: Chat
    now: datetime
    worker_alive: bool
    steps: int
    chain_disabled: bool


def lock_chat(connection: Connection, chat_id: ChatId) -> Locked:
    """Lock the row. Raise `ChatNotFound`."""
    # The clock is read outside of the locking part (which PostgreSQL never inlines), so that it
    # says when the lock was there.
    locked = _locking(chat_id).cte("locked")
    row = connection.execute(select(locked, func.clock_timestamp().label("now"))).mappings().first()
    if row is None:
        raise ChatNotFound
    return Locked(chat=read_chat(row), now=row["now"])


def lock_for_begin(
    connection: Connection, chat_id: ChatId, *, worker_id: WorkerId, death: timedelta
) -> LockedForBegin:
    """Lock the row and, against being declared dead meanwhile, the own worker's row."""
    # KEY SHARE does not wait for the renewal's plain UPDATE, but excludes the FOR UPDATE of death.
    alive = (
        select(workers.c.id)
        .where(
            workers.c.id == worker_id,
            workers.c.dead_at.is_(None),
            workers.c.renewed_at > func.clock_timestamp() - death,
        )
        .with_for_update(read=True, key_share=True)
        .cte("alive")
    )
    locked = _locking(chat_id).cte("locked")
    turn = select(turns.c.id, turns.c.steps, turns.c.chain_disabled).subquery("turn")
    statement = select(
        locked,
        func.clock_timestamp().label("now"),
        select(func.count()).select_from(alive).scalar_subquery().label("alive"),
        turn.c.steps,
        turn.c.chain_disabled,
    ).select_from(locked.outerjoin(turn, turn.c.id == locked.c.current_turn_id))
    row = connection.execute(statement).mappings().first()
    if row is None:
        raise ChatNotFound
    return LockedForBegin(
        chat=read_chat(row),
        now=row["now"],
        worker_alive=row["alive"] > 0,
        steps=row["steps"] or 0,
        chain_disabled=bool(row["chain_disabled"]),
    )


def _locking(chat_id: ChatId) -> Any:
    return select(chats).where(chats.c.id == chat_id).with_for_update(key_share=True)


def database_now(connection: Connection) -> datetime:
    """Return the database's clock."""
    return connection.execute(select(func.clock_timestamp())).scalar_one()


def insert_chat(connection: Connection, chat: Chat) -> None:
    """Insert the row. Raise `KeyTaken` when the owner has a chat with this key."""
    try:
        connection.execute(insert(chats).values(columns(chat)))
    except IntegrityError as error:
        if _KEY_CONSTRAINT in str(error.orig):
            raise KeyTaken(key=chat.key or "") from None
        raise


def delete_chat(connection: Connection, chat_id: ChatId) -> None:
    """Delete the row; turns, messages and queue go with it."""
    connection.execute(delete(chats).where(chats.c.id == chat_id))


def write(
    connection: Connection,
    before: Chat,
    after: Chat,
    turn_changes: Mapping[TurnId, Mapping[str, object]],
) -> None:
    """Write what differs, of the chat and of its turns, in one statement."""
    statement: Update = update(chats).where(chats.c.id == after.id).values(changes(before, after))
    for number, (turn_id, values) in enumerate(turn_changes.items()):
        statement = statement.add_cte(_turn_update(turn_id, values).cte(f"turn_{number}"))
    connection.execute(statement)


def _turn_update(turn_id: TurnId, values: Mapping[str, object]) -> Any:
    statement = update(turns).where(turns.c.id == turn_id).values(values)
    if values.get("status") in ENDED:
        # An ended turn keeps its outcome.
        statement = statement.where(turns.c.status.not_in(ENDED))
    return statement.returning(turns.c.id)


def one_more_step() -> ColumnElement[int]:
    """Return the value of a turn's `steps` after one more."""
    return turns.c.steps + 1


def insert_turn(
    connection: Connection,
    *,
    turn_id: TurnId,
    chat_id: ChatId,
    status: TurnStatus,
    now: datetime,
) -> None:
    """Insert a turn."""
    connection.execute(
        insert(turns).values(id=turn_id, chat_id=chat_id, status=status.value, created_at=now)
    )


def turn_created_at(connection: Connection, turn_id: TurnId) -> datetime:
    """Return when the turn's message was accepted."""
    return connection.execute(select(turns.c.created_at).where(turns.c.id == turn_id)).scalar_one()
