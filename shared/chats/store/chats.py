"""Every statement that reads or writes a chat under its row lock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, select
from sqlalchemy.exc import IntegrityError

from shared.chats.model.chat import Chat
from shared.chats.model.errors import ChatNotFound, KeyTaken
from shared.chats.model.ids import ChatId, MessageId, TurnId, WorkerId
from shared.chats.model.messages import Prompt
from shared.chats.model.statuses import ENDED, TurnStatus
from shared.chats.store.chat_row import changes, columns, read_chat
from shared.chats.store.messages import Stored, read_prompt, without_defaults
from shared.chats.store.statements import chat as row_query
from shared.chats.store.statements.chat import Shape, TurnShape
from shared.chats.store.tables import chats, turns
from shared.db.statement import Row, Statement

ONE_MORE: Final = object()
"""The value of a turn's `steps` after one more."""

_KEY_CONSTRAINT = "chats_owner_key_key"

_LOCK: Final = Statement(row_query.lock())
_LOCK_FOR_BEGIN: Final = Statement(row_query.lock_for_begin())
_TIMES: Final = frozenset({"created_at", "updated_at", "phase_since"})  # now() by default
_INSERT: Final = Statement(row_query.insert_chat(without=_TIMES))
_INSERT_TURN: Final = Statement(row_query.insert_turn())


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a move leaves to be written; one turn may be new. `before` is the chat as it was."""

    before: Chat
    after: Chat
    turns: Mapping[TurnId, Mapping[str, object]]
    new_turn: TurnId | None
    messages: Sequence[Stored]


def write(connection: Connection, written: Written) -> None:
    """Write all in one statement: what differs of the chat and its turns, and new messages."""
    shape, parameters = _shape(written, prompt=False)
    row_query.write(shape).run(connection, parameters)


def write_and_load_prompt(connection: Connection, written: Written) -> Prompt:
    """Write all in one statement, and return what the model may see; the lock is held by now."""
    shape, parameters = _shape(written, prompt=True)
    parameters["turn"] = written.after.current_turn_id
    return read_prompt(row_query.write(shape).all(connection, parameters))


def _shape(written: Written, *, prompt: bool) -> tuple[Shape, dict[str, object]]:
    changed = changes(written.before, written.after)
    parameters: dict[str, object] = {"chat": written.after.id}
    parameters |= {row_query.chat_parameter(name): value for name, value in changed.items()}
    shapes: list[TurnShape] = []
    for number, (turn_id, values) in enumerate(written.turns.items()):
        bound = {name: value for name, value in values.items() if value is not ONE_MORE}
        shapes.append(
            TurnShape(
                names=tuple(bound),
                opens=turn_id == written.new_turn,
                counts_step=len(bound) < len(values),
                ends=values.get("status") in ENDED,
            )
        )
        parameters |= {row_query.turn_parameter(number, n): v for n, v in bound.items()}
        parameters[row_query.turn_parameter(number, "id")] = turn_id
    rows = [without_defaults(row) for row in written.messages]
    for number, row in enumerate(rows):
        parameters |= {row_query.message_parameter(number, n): v for n, v in row.items()}
    messages = tuple(tuple(row) for row in rows)
    shape = Shape(chat=tuple(changed), turns=tuple(shapes), messages=messages, prompt=prompt)
    return shape, parameters


def insert_turn(
    connection: Connection,
    *,
    turn_id: TurnId,
    chat_id: ChatId,
    status: TurnStatus,
    now: datetime,
) -> None:
    """Insert a turn."""
    values = {"id": turn_id, "chat_id": chat_id, "status": status.value, "created_at": now}
    _INSERT_TURN.run(connection, values)


def turn_created_at(connection: Connection, turn_id: TurnId) -> datetime:
    """Return when the turn's message was accepted."""
    return connection.execute(select(turns.c.created_at).where(turns.c.id == turn_id)).scalar_one()
