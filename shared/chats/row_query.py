"""The statements that lock and write a chat's row, made once: building one costs much."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    Executable,
    Interval,
    Table,
    bindparam,
    func,
    insert,
    select,
    update,
)

from shared.chats.states import ENDED
from shared.chats.tables import chats, turns, workers
from shared.db.statement import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnShape:
    """Which columns of a turn are written, whether it is new, counts a step, or ends."""

    names: tuple[str, ...]
    opens: bool
    counts_step: bool
    ends: bool


def lock() -> Executable:
    """Return the statement that locks the row of `chat` and reads the time after that."""
    # The clock is read outside of the locking part (which PostgreSQL never inlines), so that it
    # says when the lock was there.
    return select(_locking().cte("locked"), func.clock_timestamp().label("now"))


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
    return insert(chats).values(values).returning(chats.c.created_at)


def insert_turn() -> Executable:
    """Return the statement that inserts a turn that waits or is active."""
    names = ("id", "chat_id", "status", "created_at")
    return insert(turns).values({name: _bound(turns, name, name) for name in names})


@lru_cache(maxsize=1024)
def write(names: tuple[str, ...], shapes: tuple[TurnShape, ...]) -> Statement:
    """Return the statement that writes these columns of `chat` and of its turns.

    Its parameters are those of `chat_parameter` and `turn_parameter`.
    """
    statement = (
        update(chats)
        .where(chats.c.id == bindparam("chat", type_=chats.c.id.type))
        .values({name: _bound(chats, name, chat_parameter(name)) for name in names})
    )
    for number, shape in enumerate(shapes):
        statement = statement.add_cte(_write_turn(number, shape).cte(f"turn_{number}"))
    return Statement(statement)


def chat_parameter(name: str) -> str:
    """Return the parameter of a column of the chat."""
    return f"chat_{name}"


def turn_parameter(number: int, name: str) -> str:
    """Return the parameter of a column of the turn with this number in the statement."""
    return f"turn_{number}_{name}"


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
