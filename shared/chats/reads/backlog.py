"""How many chats wait for a worker, and for how long."""

from dataclasses import dataclass

from sqlalchemy import (
    Connection,
    func,
    select,
)

from shared.chats.model.statuses import Status
from shared.chats.store.tables import chats


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How many chats wait for a worker; the age is over due ones, from when they became due."""

    due: int
    backing_off: int
    oldest_seconds: float


def count_waiting(connection: Connection) -> Backlog:
    """Count the chats that wait for a worker, by the database's clock."""
    now = func.clock_timestamp()
    due = func.coalesce(chats.c.retry_at, now) <= now
    # Not enqueued_at: the sweeper renews that, and the chat has waited all the same.
    age = func.extract("epoch", now - func.greatest(chats.c.phase_since, chats.c.retry_at))
    statement = select(
        func.count().filter(due),
        func.count().filter(~due),
        func.coalesce(func.max(age).filter(due), 0),
    ).where(chats.c.status == Status.PENDING.value)
    due_count, backing_off, oldest = connection.execute(statement).one()
    return Backlog(due=due_count, backing_off=backing_off, oldest_seconds=max(float(oldest), 0.0))
