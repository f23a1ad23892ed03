"""Keeps this process's row alive, and compares what it holds with what the database says."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread
from uuid import UUID

from sqlalchemy import Engine
from structlog.stdlib import BoundLogger

from shared.chats.model.ids import WorkerId
from shared.chats.model.lease import LeasedChat
from shared.chats.model.statuses import Status
from shared.chats.store import workers
from workers.leases.registry import CancelReason, Lease, Leases
from workers.loop import LoopThread
from workers.worker_metrics import WorkerMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """What a worker's row says of its process."""

    host: str
    pid: int
    version: str


_GAP_PERIODS = 2
"""Renewals further apart than this have a gap between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Steady:
    """Since when the renewals have succeeded without a gap, and when the last one did."""

    since: float
    last: float


class Renewal:
    """A thread with a connection of its own: a round every `period_seconds`.

    A round renews the row only after the loop has answered: a process whose loop hangs may not
    go on holding chats. `engine` has a pool of one.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        me: Me,
        leases: Leases,
        loop: LoopThread,
        metrics: WorkerMetrics,
        period_seconds: float,
        new_id: Callable[[], UUID],
        renamed: Callable[[WorkerId], None],
        log: BoundLogger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; `renamed` hears of the id, at the start and after every death."""
        self._engine = engine
        self._me = me
        self._leases = leases
        self._loop = loop
        self._metrics = metrics
        self._period = period_seconds
        self._gap = _GAP_PERIODS * period_seconds
        self._new_id = new_id
        self._renamed = renamed
        self._log = log
        self._clock = clock
        self._id: WorkerId | None = None
        self._steady: _Steady | None = None
        self._not_run: tuple[LeasedChat, ...] = ()
        self._stopping = Event()
        self._thread = Thread(target=self._main, name="renewal", daemon=True)

    @property
    def worker_id(self) -> WorkerId:
        """The id of this process now; another one after it was declared dead."""
        if self._id is None:
            raise RuntimeError("the worker is not registered yet")
        return self._id

    def start(self) -> None:
        """Register, then renew in the background. Raises what the database raises."""
        self.register()
        self._thread.start()

    def register(self) -> None:
        """Insert a row of its own under a new id. Raises what the database raises."""
        worker_id = WorkerId(self._new_id())
        with self._engine.begin() as connection:
            workers.register(
                connection,
                worker_id,
                host=self._me.host,
                pid=self._me.pid,
                version=self._me.version,
                slots=self._leases.free_slots(),
            )
        self._id = worker_id
        self._note_success()
        self._renamed(worker_id)

    def stop_renewing(self) -> None:
        """End the thread; the row lives on until it is too old."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def deregister(self) -> None:
        """Mark the own row dead: the last thing that a worker does."""
        if self._id is not None:
            workers.mark_own_dead(self._engine, self._id)

    def steady_seconds(self) -> float:
        """Return for how long the renewals have succeeded without a gap."""
        steady, now = self._steady, self._clock()
        if steady is None or now - steady.last > self._gap:
            return 0.0
        return now - steady.since

    def take_not_run(self) -> tuple[LeasedChat, ...]:
        """Hand over what the last round found that this worker holds and does not run."""
        found, self._not_run = self._not_run, ()
        return found

    def _main(self) -> None:
        while not self._stopping.wait(self._period):
            try:
                self.round()
            except Exception as error:
                self._steady = None
                self._log.warning("renewal.failed", error=repr(error))

    def round(self) -> None:
        """Renew and compare once. Raises what the database raises."""
        if not self._loop.ping(self._period):
            self._steady = None
            self._log.warning("renewal.loop_hangs")
            return
        # Taken before the database is asked: what is confirmed here has to be there.
        confirmed = self._leases.confirmed()
        with self._engine.begin() as connection:
            alive = workers.renew(connection, self.worker_id, free_slots=self._leases.free_slots())
            held = workers.held_by(connection, self.worker_id) if alive else ()
        if not alive:
            self._die()
            return
        self._note_success()
        self._compare(confirmed, held)

    def _note_success(self) -> None:
        steady, now = self._steady, self._clock()
        # A process that was stopped for a while hears of no failure, and was away all the same.
        unbroken = steady is not None and now - steady.last <= self._gap
        self._steady = _Steady(since=steady.since if steady and unbroken else now, last=now)

    def _compare(self, confirmed: list[Lease], held: tuple[LeasedChat, ...]) -> None:
        in_database = {one.fence.lease_id for one in held}
        for lease in confirmed:
            if lease.id not in in_database and self._leases.find(lease.id) is not None:
                self._lose(lease)
        not_run: list[LeasedChat] = []
        for one in held:
            lease = self._leases.find(one.fence.lease_id)
            if lease is None:
                self._log.warning("renewal.not_run", chat_id=str(one.chat_id))
                not_run.append(one)
            elif one.status is Status.INTERRUPTING:
                lease.cancel(CancelReason.INTERRUPTED)
        # Released on another thread: a row that is held, or Redis, must not put off the renewal.
        self._not_run = tuple(not_run)

    def _lose(self, lease: Lease) -> None:
        # A step that settles may just have given its lease back; the fence tells it if not.
        if not lease.settling and lease.cancel(CancelReason.FENCED):
            self._metrics.lost()
            self._log.warning("renewal.lease_lost", chat_id=str(lease.chat_id))

    def _die(self) -> None:
        """Everything that this process held is somebody else's: drop it, start over."""
        self._log.warning("renewal.declared_dead", worker_id=str(self._id))
        self._steady, self._not_run = None, ()
        for lease in self._leases.all():
            self._lose(lease)
        self.register()
