"""What the sweeper looks for, and the statement of its first look, made once."""

from typing import Final

from sqlalchemy import Boolean, Interval, Select, and_, bindparam, exists, func, or_, select

from shared.chats.model.statuses import Status
from shared.chats.store import workers
from shared.chats.store.tables import chats
from shared.chats.store.tables import workers as worker_rows

# Any number will do, as long as every version of this program takes the same one.
_SWEEP_LOCK: Final = 0x57E9_0002

DEAD: Final = or_(worker_rows.c.id.is_(None), worker_rows.c.dead_at.is_not(None))
"""The holder of a chat is dead, or was never seen."""

STRANDED: Final = and_(
    chats.c.status == Status.WAITING.value,
    chats.c.queue_length > 0,
    # Nothing moves an archived chat.
    ~chats.c.archived,
)
"""A queue that nobody takes the next message from."""

EXPIRED: Final = and_(
    chats.c.status == Status.REQUIRES_ACTION.value,
    chats.c.requires_action_deadline_at <= func.clock_timestamp(),
)
"""A call of the client's that is past its deadline."""


def look() -> Select[bool, bool]:
    """Return the statement that takes the lock and says whether any part of a round has work.

    Nearly always there is none, and seven statements to find that out cost 5 ms (CPU) a round.
    """
    holding = chats.outerjoin(worker_rows, worker_rows.c.id == chats.c.worker_id)
    anything = or_(
        exists().where(workers.is_silent(bindparam("death", type_=Interval))),
        exists().where(workers.is_forgotten()),
        exists().select_from(holding).where(chats.c.lease_id.is_not(None), DEAD),
        exists().where(chats.c.lease_id.is_not(None), chats.c.status == Status.INTERRUPTING.value),
        exists().where(STRANDED),
        exists().where(EXPIRED),
        exists().where(chats.c.status == Status.PENDING.value),
    )
    lock = func.pg_try_advisory_xact_lock(_SWEEP_LOCK, type_=Boolean)
    return select(lock, anything)
