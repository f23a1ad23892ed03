"""The statements that lock and write a chat and what belongs to it, made once: that is slow."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Executable,
    Interval,
    Table,
    bindparam,
    cast,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import REGCLASS

from shared.chats.model.statuses import ENDED
from shared.chats.store.statements import prompt as message_query
from shared.chats.store.tables import chats, messages, turns, workers
from shared.db.statement import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnShape:
    """Which columns of a turn are written, whether it is new, counts a step, or ends."""

    names: tuple[str, ...]
    opens: bool
    counts_step: bool
    ends: bool


SPARE_IDS: Final = ("spare_1", "spare_2")
"""Columns with ids for messages: a move adds one nearly always, an answer with its results two."""

_MESSAGES: Final = "messages_id_seq"


def next_message_id() -> ColumnElement[int]:
    """Return the expression that draws an id, which is higher than all that were drawn before."""
    return func.nextval(cast(literal(_MESSAGES), REGCLASS), type_=BigInteger)


def lock() -> Executable:
    """Return the statement that locks the row of `chat`, and then reads the time and draws ids."""
    # Outside of the locking part (which PostgreSQL never inlines), so that the clock says when the
    # lock was there, and no other transaction draws an id for this chat after these.
    return select(_locking().cte("locked"), func.clock_timestamp().label("now"), *_spare_ids())


def lock_for_begin() -> Executable:
    """Return the statement of `lock` that also holds the row of `worker`, alive within `death`."""
    # KEY SHARE does not wait for the renewal's plain UPDATE, but excludes the FOR UPDATE of death.
    alive = (
        select(workers.c.id)
        .where(
            workers.c.id == bindparam("worker", type_=workers.c.id.type),
            workers.c.dead_at.is_(None),
            workers.c.renewed_at > func.clock_timestamp() - bindparam("death", type_=Interval),
        )
        .with_for_update(read=True, key_share=True)
        .cte("alive")
    )
    return select(
        _locking().cte("locked"),
        func.clock_timestamp().label("now"),
        select(func.count()).select_from(alive).scalar_subquery().label("alive"),
    )


def _locking() -> Any:
    return (
        select(chats)
        .where(chats.c.id == bindparam("chat", type_=chats.c.id.type))
        .with_for_update(key_share=True)
    )


def insert_chat(*, without: Collection[str]) -> Executable:
    """Return the statement that inserts a chat, `without` the columns that the database fills."""
    names = [column.name for column in chats.c if column.name not in without]
    values = {name: _bound(chats, name, name) for name in names}
    return insert(chats).values(values).returning(chats.c.created_at.label("now"), *_spare_ids())


def _spare_ids() -> list[ColumnElement[int]]:
    return [next_message_id().label(name) for name in SPARE_IDS]


def insert_turn() -> Executable:
    """Return the statement that inserts a turn that waits or is active."""
    names = ("id", "chat_id", "status", "created_at")
    return insert(turns).values({name: _bound(turns, name, name) for name in names})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Which columns are written: of the chat, of its turns and of new messages.

    `prompt`: what the model may see of `chat` is read along, and what is known of `turn`.
    """

    chat: tuple[str, ...]
    turns: tuple[TurnShape, ...]
    messages: tuple[tuple[str, ...], ...]
    prompt: bool


@lru_cache(maxsize=1024)
def write(shape: Shape) -> Statement:
    """Return the statement that writes all of a shape.

    Its parameters are those of `chat_parameter`, `turn_parameter` and `message_parameter`.
    """
    written = (
        update(chats)
        .where(chats.c.id == bindparam("chat", type_=chats.c.id.type))
        .values({name: _bound(chats, name, chat_parameter(name)) for name in shape.chat})
    )
    along = [
        *(_write_turn(number, one).cte(f"turn_{number}") for number, one in enumerate(shape.turns)),
        *(
            _insert_message(number, one).cte(f"message_{number}")
            for number, one in enumerate(shape.messages)
        ),
    ]
    if shape.prompt:
        first = written.returning(chats.c.id).cte("written")
        return Statement(message_query.prompt().add_cte(first, *along))
    return Statement(written.add_cte(*along))


def chat_parameter(name: str) -> str:
    """Return the parameter of a column of the chat."""
    return f"chat_{name}"


def turn_parameter(number: int, name: str) -> str:
    """Return the parameter of a column of the turn with this number in the statement."""
    return f"turn_{number}_{name}"


def message_parameter(number: int, name: str) -> str:
    """Return the parameter of a column of the message with this number in the statement."""
    return f"message_{number}_{name}"


def _insert_message(number: int, names: tuple[str, ...]) -> Any:
    values = {name: _bound(messages, name, message_parameter(number, name)) for name in names}
    return insert(messages).values(values).returning(messages.c.id)


def _write_turn(number: int, shape: TurnShape) -> Any:
    values: dict[str, Any] = {
        name: _bound(turns, name, turn_parameter(number, name)) for name in shape.names
    }
    if shape.opens:
        values["id"] = _bound(turns, "id", turn_parameter(number, "id"))
        return insert(turns).values(values).returning(turns.c.id)
    if shape.counts_step:
        values["steps"] = turns.c.steps + 1
    which = turns.c.id == bindparam(turn_parameter(number, "id"), type_=turns.c.id.type)
    statement = update(turns).where(which).values(values)
    if shape.ends:
        # An ended turn keeps its outcome.
        statement = statement.where(*(turns.c.status != status for status in sorted(ENDED)))
    return statement.returning(turns.c.id)


def _bound(table: Table, name: str, parameter: str) -> BindParameter[Any]:
    return bindparam(parameter, type_=table.c[name].type)
