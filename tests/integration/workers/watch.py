"""A renewal and a sweeper whose rounds a test makes itself."""

from dataclasses import dataclass

import structlog
from redis import Redis
from sqlalchemy import Engine, text
from uuid_utils.compat import uuid7

from shared.chats.model.ids import WorkerId
from shared.metrics.metrics import Metrics
from tests.chats import Bench
from workers.failpoints import pass_by
from workers.leases.registry import Leases
from workers.leases.renewal import Me, Renewal
from workers.loop import LoopThread
from workers.recovery.recovery import Recovery
from workers.recovery.sweeper import Sweeper
from workers.worker_metrics import WorkerMetrics

NEVER_SECONDS = 3600.0
PERIOD_SECONDS = 2.0
DEATH_SECONDS = 7.0

_LOG = structlog.stdlib.get_logger()


class Counts(WorkerMetrics):
    """Counts what was lost and put right."""

    def __init__(self) -> None:
        super().__init__(Metrics.noop(), busy_slots=lambda: 0)
        self.leases_lost = 0
        self.put_right: dict[str, int] = {}

    def lost(self) -> None:
        self.leases_lost += 1

    def swept(self, reason: str, count: int = 1) -> None:
        if count:
            self.put_right[reason] = self.put_right.get(reason, 0) + count


@dataclass(slots=True)
class StillClock:
    """A clock that a test moves."""

    time: float = 50.0

    def __call__(self) -> float:
        return self.time


@dataclass(slots=True, kw_only=True)
class Watch:
    """One worker's threads, held still."""

    leases: Leases
    loop: LoopThread
    counts: Counts
    clock: StillClock
    renewal: Renewal
    sweeper: Sweeper
    recovery: Recovery
    names: list[WorkerId]

    def close(self) -> None:
        self.renewal.stop_renewing()
        self.loop.stop()


def open_watch(
    bench: Bench, engine: Engine, redis: Redis, *, period_seconds: float = PERIOD_SECONDS
) -> Watch:
    """Register a worker; no thread of it runs unless a test starts it."""
    leases, loop, counts, clock = Leases(slots=5), LoopThread(), Counts(), StillClock()
    names: list[WorkerId] = []
    recovery = Recovery(machine=bench.machine, redis=redis, log=_LOG)
    loop.start()
    renewal = Renewal(
        engine=engine,
        me=Me(host="here", pid=7, version="1"),
        leases=leases,
        loop=loop,
        metrics=counts,
        period_seconds=period_seconds,
        new_id=uuid7,
        renamed=names.append,
        log=_LOG,
        clock=clock,
    )
    renewal.register()
    sweeper = Sweeper(
        machine=bench.machine,
        recovery=recovery,
        renewal=renewal,
        metrics=counts,
        reached=pass_by,
        period_seconds=NEVER_SECONDS,
        lost_seconds=NEVER_SECONDS,
        death_seconds=DEATH_SECONDS,
        random=lambda: 0.5,
        log=_LOG,
    )
    return Watch(
        leases=leases,
        loop=loop,
        counts=counts,
        clock=clock,
        renewal=renewal,
        sweeper=sweeper,
        recovery=recovery,
        names=names,
    )


def worker_row(engine: Engine, worker_id: WorkerId) -> dict[str, object]:
    with engine.connect() as connection:
        found = connection.execute(text("SELECT * FROM workers WHERE id = :id"), {"id": worker_id})
        return dict(found.mappings().one())
