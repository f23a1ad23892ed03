"""Every second, in one worker of the fleet: finds what nobody would move again, and moves it."""

from collections.abc import Callable
from functools import partial
from threading import Event, Thread
from typing import TypeVar

from structlog.stdlib import BoundLogger

from shared.chats.machine.machine import ChatMachine
from shared.chats.model.ids import ChatId
from shared.chats.model.lease import LeasedChat
from shared.chats.store.sweep import SweepPlan
from workers.failpoints import Failpoint, Reached
from workers.leases.renewal import Renewal
from workers.recovery.recovery import Recovery
from workers.worker_metrics import WorkerMetrics

T = TypeVar("T")

_JITTER = 0.2
"""A fleet that was started together must not sweep together."""


class Sweeper:
    """A thread that sweeps every `period_seconds`, give or take a fifth."""

    def __init__(
        self,
        *,
        machine: ChatMachine,
        recovery: Recovery,
        renewal: Renewal,
        metrics: WorkerMetrics,
        reached: Reached,
        period_seconds: float,
        lost_seconds: float,
        death_seconds: float,
        random: Callable[[], float],
        log: BoundLogger,
    ) -> None:
        """Prepare; `random` returns 0..1."""
        self._machine = machine
        self._recovery = recovery
        self._renewal = renewal
        self._metrics = metrics
        self._reached = reached
        self._period = period_seconds
        self._lost_seconds = lost_seconds
        self._death_seconds = death_seconds
        self._random = random
        self._log = log
        self._stopping = Event()
        self._thread = Thread(target=self._main, name="sweep", daemon=True)

    def start(self) -> None:
        """Begin to sweep."""
        self._thread.start()

    def stop(self) -> None:
        """End after the round that is under way."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _main(self) -> None:
        while not self._stopping.wait(self._pause()):
            self.round()

    def _pause(self) -> float:
        return self._period * (1 + _JITTER * (2 * self._random() - 1))

    def round(self) -> None:
        """Sweep once. Raises nothing: what fails for one chat must not stop the others."""
        for held in self._renewal.take_not_run():
            self._attempt("not_run", partial(self._recovery.release, held))
        plan = self._attempt("plan", self._plan)
        if plan is None:
            return
        self._metrics.swept("dead_worker", plan.dead_workers)
        self._metrics.swept("lost_message", len(plan.resent))
        for held in plan.orphaned:
            self._put_right("orphaned", partial(self._take_back, held))
        for held in plan.overdue:
            self._put_right("interrupting", partial(self._recovery.finish_interruption, held))
        for chat_id in plan.stranded:
            self._put_right("stranded", partial(self._recovery.promote, chat_id))
        for chat_id in plan.expired:
            self._attempt("deadline", partial(self._expire, chat_id))

    def _plan(self) -> SweepPlan | None:
        # Who was away itself can't tell whether the others were.
        steady = self._renewal.steady_seconds() >= self._death_seconds
        return self._machine.sweep(lost_seconds=self._lost_seconds, may_declare_death=steady)

    def _take_back(self, held: LeasedChat) -> bool:
        self._reached(Failpoint.RECOVERING)
        return self._recovery.take_back(held)

    def _expire(self, chat_id: ChatId) -> None:
        self._reached(Failpoint.EXPIRING)
        expired = self._recovery.expire(chat_id)
        self._reached(Failpoint.EXPIRED)
        self._metrics.swept("deadline", expired)

    def _put_right(self, reason: str, act: Callable[[], bool]) -> None:
        if self._attempt(reason, act):
            self._metrics.swept(reason)

    def _attempt(self, what: str, act: Callable[[], T]) -> T | None:
        if self._stopping.is_set():
            return None
        try:
            return act()
        except Exception as error:
            self._log.warning("sweep.failed", what=what, error=repr(error))
            return None
