"""Finds the chats that nobody would move again: of dead workers, of lost messages, left lying."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection, and_, case, func, select, update

from shared.chats.model.ids import ChatId
from shared.chats.model.lease import LeasedChat
from shared.chats.model.statuses import Status
from shared.chats.model.timing import LONGEST_COUNTDOWN
from shared.chats.store import workers
from shared.chats.store.statements import sweep as sweep_query
from shared.chats.store.statements.sweep import DEAD, EXPIRED, STRANDED
from shared.chats.store.tables import chats

BATCH = 100
"""Chats of one kind that a round takes at most."""

_LOOK: Final = sweep_query.look()
_DOUBLINGS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPlan:
    """What a round found; every item is checked again when it is acted upon."""

    dead_workers: int
    orphaned: tuple[LeasedChat, ...]
    overdue: tuple[LeasedChat, ...]
    stranded: tuple[ChatId, ...]
    expired: tuple[ChatId, ...]
    resent: tuple[ChatId, ...]


_NOTHING: Final = SweepPlan(
    dead_workers=0, orphaned=(), overdue=(), stranded=(), expired=(), resent=()
)


def plan_round(
    connection: Connection,
    *,
    death: timedelta,
    interrupting: timedelta,
    lost: timedelta,
    may_declare_death: bool,
) -> SweepPlan | None:
    """Mark the dead, take the lost messages to send again, list the rest; None = another sweeps.

    Runs in one short transaction, and one at a time in the fleet.
    """
    got, anything = connection.execute(_LOOK, {"death": death}).one()
    if not got:
        return None
    if not anything:
        return _NOTHING
    dead = workers.mark_silent(connection, death=death) if may_declare_death else 0
    workers.forget_dead(connection)
    return SweepPlan(
        dead_workers=dead,
        orphaned=_orphaned(connection),
        overdue=_overdue(connection, interrupting),
        stranded=_stranded(connection),
        expired=_expired(connection),
        resent=_resend(connection, lost, workers.free_slots(connection, death=death)),
    )


def _orphaned(connection: Connection) -> tuple[LeasedChat, ...]:
    return workers.load_held(connection, DEAD, limit=BATCH)


def _overdue(connection: Connection, interrupting: timedelta) -> tuple[LeasedChat, ...]:
    overdue = and_(
        chats.c.status == Status.INTERRUPTING.value,
        chats.c.interrupting_since < func.clock_timestamp() - interrupting,
    )
    return workers.load_held(connection, overdue, limit=BATCH)


def _stranded(connection: Connection) -> tuple[ChatId, ...]:
    statement = select(chats.c.id).where(STRANDED)
    return tuple(ChatId(id_) for id_ in connection.execute(statement.limit(BATCH)).scalars())


def _expired(connection: Connection) -> tuple[ChatId, ...]:
    """Return the chats with a call past its deadline, the longest past first."""
    statement = select(chats.c.id).where(EXPIRED).order_by(chats.c.requires_action_deadline_at)
    return tuple(ChatId(id_) for id_ in connection.execute(statement.limit(BATCH)).scalars())


def _resend(connection: Connection, lost: timedelta, room: int) -> tuple[ChatId, ...]:
    """Take the chats whose message must be lost, oldest first, as many as there is room for."""
    if room <= 0:
        return ()
    now = func.clock_timestamp()
    due_since = func.greatest(chats.c.enqueued_at, chats.c.retry_at)
    patience = lost.total_seconds() * func.power(2, func.least(chats.c.sweeps, _DOUBLINGS))
    # A wait too long for a countdown was never sent: it is due the moment it is due.
    never_sent = and_(
        chats.c.retry_at.is_not(None), chats.c.retry_at > chats.c.enqueued_at + LONGEST_COUNTDOWN
    )
    seconds = case((never_sent, 0.0), else_=patience)
    overdue = due_since < now - func.make_interval(0, 0, 0, 0, 0, 0, seconds)
    found = (
        select(chats.c.id)
        .where(chats.c.status == Status.PENDING.value, overdue)
        .order_by(due_since)
        .limit(min(room, BATCH))
        .with_for_update(skip_locked=True, key_share=True)
        .cte("found")
    )
    statement = (
        update(chats)
        .where(chats.c.id.in_(select(found.c.id)))
        .values(enqueued_at=now, sweeps=chats.c.sweeps + 1)
        .returning(chats.c.id)
    )
    return tuple(ChatId(id_) for id_ in connection.execute(statement).scalars())
