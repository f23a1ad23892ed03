"""Keeps this process's row alive, and compares what it holds with what the database says."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread
from typing import Protocol
from uuid import UUID

from sqlalchemy import Engine
from structlog.stdlib import BoundLogger

from shared.chats import workers
from shared.chats.states import Status
from shared.chats.types import WorkerId
from shared.chats.workers import Held
from workers.leases import CancelReason, Lease, Leases
from workers.loop import LoopThread
from workers.recovery import Recovery


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """What a worker's row says of its process."""

    host: str
    pid: int
    version: str


class LossCounter(Protocol):
    """Counts steps that lost their chat."""

    def lost(self) -> None:
        """One more."""
        ...


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
        recovery: Recovery,
        counter: LossCounter,
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
        self._recovery = recovery
        self._counter = counter
        self._period = period_seconds
        self._new_id = new_id
        self._renamed = renamed
        self._log = log
        self._clock = clock
        self._id: WorkerId | None = None
        self._steady_since: float | None = None
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
        self._register()
        self._thread.start()

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
        since = self._steady_since
        return 0.0 if since is None else self._clock() - since

    def _main(self) -> None:
        while not self._stopping.wait(self._period):
            try:
                self._round()
            except Exception as error:
                self._steady_since = None
                self._log.warning("renewal.failed", error=repr(error))

    def _round(self) -> None:
        if not self._loop.ping(self._period):
            self._steady_since = None
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
        if self._steady_since is None:
            self._steady_since = self._clock()
        self._compare(confirmed, held)

    def _compare(self, confirmed: list[Lease], held: tuple[Held, ...]) -> None:
        in_database = {one.fence.lease_id for one in held}
        for lease in confirmed:
            if lease.id not in in_database and self._leases.find(lease.id) is not None:
                self._lose(lease)
        for one in held:
            lease = self._leases.find(one.fence.lease_id)
            if lease is None:
                self._log.warning("renewal.not_run", chat_id=str(one.chat_id))
                self._recovery.release(one)
            elif one.status is Status.INTERRUPTING:
                lease.cancel(CancelReason.INTERRUPTED)

    def _lose(self, lease: Lease) -> None:
        if lease.cancel(CancelReason.FENCED):
            self._counter.lost()
            self._log.warning("renewal.lease_lost", chat_id=str(lease.chat_id))

    def _die(self) -> None:
        """Everything that this process held is somebody else's: drop it, start over."""
        self._log.warning("renewal.declared_dead", worker_id=str(self._id))
        self._steady_since = None
        for lease in self._leases.all():
            self._lose(lease)
        self._register()

    def _register(self) -> None:
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
        self._steady_since = self._clock()
        self._renamed(worker_id)
