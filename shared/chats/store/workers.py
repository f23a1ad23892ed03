"""The rows of worker processes: registering, renewing, dying, and which chats one holds."""

from datetime import datetime, timedelta

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Engine,
    delete,
    func,
    insert,
    select,
    update,
)

from shared.chats.model.ids import ChatId, LeaseId, WorkerId
from shared.chats.model.lease import Fence, LeasedChat
from shared.chats.model.statuses import Status
from shared.chats.store.tables import chats, workers

_FORGET_AFTER = timedelta(hours=1)


def register(
    connection: Connection, worker_id: WorkerId, *, host: str, pid: int, version: str, slots: int
) -> None:
    """Insert a worker process, alive from now on."""
    now = func.clock_timestamp()
    connection.execute(
        insert(workers).values(
            id=worker_id,
            host=host,
            pid=pid,
            version=version,
            free_slots=slots,
            started_at=now,
            renewed_at=now,
        )
    )


def renew(connection: Connection, worker_id: WorkerId, *, free_slots: int) -> bool:
    """Say that the worker lives and how many more steps it could run; False = declared dead."""
    statement = (
        update(workers)
        .where(workers.c.id == worker_id, workers.c.dead_at.is_(None))
        .values(renewed_at=func.clock_timestamp(), free_slots=free_slots)
    )
    return connection.execute(statement).rowcount == 1


def held_by(connection: Connection, worker_id: WorkerId) -> tuple[LeasedChat, ...]:
    """Return the chats whose lease is this worker's."""
    return load_held(connection, chats.c.worker_id == worker_id)


def load_held(
    connection: Connection, which: ColumnElement[bool], *, limit: int | None = None
) -> tuple[LeasedChat, ...]:
    """Return leased chats, with the rows of their workers at hand for the condition."""
    statement = (
        select(
            chats.c.id,
            chats.c.history_version,
            chats.c.lease_id,
            chats.c.status,
            chats.c.generation_attempt,
        )
        .select_from(chats.outerjoin(workers, workers.c.id == chats.c.worker_id))
        .where(chats.c.lease_id.is_not(None), which)
        .limit(limit)
    )
    return tuple(
        LeasedChat(
            chat_id=ChatId(row.id),
            fence=Fence(history_version=row.history_version, lease_id=LeaseId(row.lease_id)),
            status=Status(row.status),
            attempt=row.generation_attempt,
        )
        for row in connection.execute(statement)
    )


def oldest_start(connection: Connection) -> datetime | None:
    """Return since when the live worker that started first has lived; None = there is none."""
    statement = select(func.min(workers.c.started_at)).where(workers.c.dead_at.is_(None))
    return connection.execute(statement).scalar_one()


def mark_dead(engine: Engine, *, host: str, pid: int) -> int:
    """Mark the worker process that its supervisor has reaped; return how many rows that were."""
    with engine.begin() as connection:
        return _mark(connection, (workers.c.host == host) & (workers.c.pid == pid))


def mark_own_dead(engine: Engine, worker_id: WorkerId) -> None:
    """Mark the own row, as the last thing that a worker does."""
    with engine.begin() as connection:
        _mark(connection, workers.c.id == worker_id)


def mark_silent(connection: Connection, *, death: timedelta) -> int:
    """Mark every worker dead that has not renewed itself for so long."""
    return _mark(connection, is_silent(death))


def is_silent(death: timedelta | BindParameter[timedelta]) -> ColumnElement[bool]:
    """Return the condition of a worker that lives and has not renewed itself for so long."""
    return workers.c.dead_at.is_(None) & (workers.c.renewed_at < func.clock_timestamp() - death)


def is_forgotten() -> ColumnElement[bool]:
    """Return the condition of a worker that died long ago."""
    return workers.c.dead_at < func.clock_timestamp() - _FORGET_AFTER


def forget_dead(connection: Connection) -> None:
    """Remove rows of workers that died long ago and hold nothing any more."""
    holding = select(chats.c.worker_id).where(chats.c.lease_id.is_not(None))
    connection.execute(
        delete(workers).where(
            is_forgotten(),
            workers.c.id.not_in(holding),
        )
    )


def free_slots(connection: Connection, *, death: timedelta) -> int:
    """Return how many more steps the live workers could run; who may begin nothing has no room."""
    statement = select(func.coalesce(func.sum(workers.c.free_slots), 0)).where(
        workers.c.dead_at.is_(None), workers.c.renewed_at > func.clock_timestamp() - death
    )
    return connection.execute(statement).scalar_one()


def _mark(connection: Connection, which: ColumnElement[bool]) -> int:
    # The plain UPDATE would not wait for a begin, which holds the row FOR KEY SHARE.
    alive = which & workers.c.dead_at.is_(None)
    ids = connection.execute(select(workers.c.id).where(alive).with_for_update()).scalars().all()
    if not ids:
        return 0
    # The renewal may have come while the lock was waited for.
    statement = (
        update(workers).where(workers.c.id.in_(ids), which).values(dead_at=func.clock_timestamp())
    )
    return connection.execute(statement).rowcount
