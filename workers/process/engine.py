"""Puts the engine of a worker together, starts it, and ends it in the right order."""

import asyncio
import os
import random
import socket
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Final

import structlog
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine as Database
from sqlalchemy.exc import SQLAlchemyError
from uuid_utils.compat import uuid7

from shared.broker.dispatcher import Dispatcher
from shared.chats.machine.effects import Effects
from shared.chats.machine.limits import Limits
from shared.chats.machine.machine import ChatMachine
from shared.chats.model.ids import ChatId, WorkerId
from shared.config.catalog import load_catalog
from shared.config.settings import Settings, environment
from shared.db.engine import make_engine
from shared.db.outage import is_outage
from shared.events.publisher import Publisher
from shared.metrics.metrics import Metrics
from shared.redis.connection import open_redis
from shared.tools.published import publish
from shared.tools.registry import load_tools
from shared.version import VERSION
from workers.failpoints import Reached, pass_by
from workers.leases.registry import CancelReason, Leases
from workers.leases.renewal import Me, Renewal
from workers.loop import LoopThread
from workers.process.loop_services import LoopServices
from workers.recovery.recovery import Recovery
from workers.recovery.sweeper import Sweeper
from workers.steps.deps import StepDeps
from workers.steps.guard import Patience
from workers.steps.outcome import Outcome
from workers.steps.run import run_step
from workers.steps.settler import Settler
from workers.timers import LoopTimers, TimerName, Timers
from workers.tools.deps import ToolDeps
from workers.worker_metrics import WorkerMetrics

START_SECONDS: Final = 30.0
"""How long a worker that starts waits for PostgreSQL before it gives up with what is wrong."""

START_AGAIN_SECONDS: Final = 0.5

TOOL_GRACE_SECONDS: Final = 1.0
"""How long tools that are told to stop are waited for: a person waits for what was said."""

_log = structlog.stdlib.get_logger()


def make_worker_engine(
    settings: Settings,
    dispatcher: Dispatcher,
    registry: CollectorRegistry,
    *,
    reached: Reached = pass_by,
) -> "Engine":
    """Make the engine of this process; nothing connects yet. Raises `CatalogError`.

    `reached` is told where a worker stands, for tests that end or hold the process there.
    """
    return Engine(settings, dispatcher, registry, reached)


class Engine:
    """Everything of a worker that is not Celery."""

    def __init__(
        self,
        settings: Settings,
        dispatcher: Dispatcher,
        registry: CollectorRegistry,
        reached: Reached,
    ) -> None:
        """Make the parts that need no loop."""
        self._settings = settings
        self._metrics = Metrics(registry)
        self._catalog = load_catalog(settings.config, environment())
        self._loop = LoopThread()
        self._leases = Leases(slots=settings.worker_concurrency)
        self._redis = open_redis(settings.redis_url.get_secret_value())
        self._database = _open(settings, settings.worker_pool_size, "stepwell-worker")
        self._own_database = _open(settings, 1, "stepwell-renewal")
        self.metrics = WorkerMetrics(self._metrics, busy_slots=self._leases.busy_slots)
        self._registry = load_tools(self._catalog.tool_modules)
        self._reached = reached
        self._machine = ChatMachine(
            engine=self._database,
            effects=Effects(
                dispatcher=dispatcher,
                notifier=Publisher(self._redis),
                metrics=self._metrics,
                providers=self._catalog.provider_of,
                log=_log,
            ),
            limits=Limits.of(settings, self._catalog),
            new_id=uuid7,
        )
        recovery = Recovery(machine=self._machine, redis=self._redis, log=_log)
        self._renewal = self._make_renewal()
        self._sweeper = self._make_sweeper(recovery)
        self._services: LoopServices | None = None
        self._step: StepDeps | None = None

    def start(self) -> None:
        """Start the loop, register, begin to renew and to sweep."""
        self._metrics.prime((m.provider, m.name) for m in self._catalog.models.values())
        self._metrics.build_info.labels(version=VERSION).set(1)
        self._loop.start()
        services = self._loop.run(
            LoopServices.open(self._settings, self._catalog, self._leases, self.metrics)
        )
        self._services = services
        self._step = self._make_step(services)
        self._register()
        self._sweeper.start()

    def _register(self) -> None:
        """Publish the tools and register, once the database is there: it may be on its way."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with self._database.begin() as connection:
                    publish(connection, self._registry.values())
                return self._renewal.start()
            except SQLAlchemyError as error:
                if not is_outage(error) or time.monotonic() >= deadline:
                    raise
                _log.warning("worker.waits_for_postgresql", problem=str(error).splitlines()[0])
            time.sleep(START_AGAIN_SECONDS)

    def run_step(self, chat_id: ChatId) -> Outcome:
        """Take one step; called from many task threads at once."""
        if self._step is None:
            raise RuntimeError("the engine was not started")
        return run_step(self._step, chat_id)

    def consuming(self) -> None:
        """Note that deliveries come from now on."""
        self.metrics.consuming()

    def drain(self) -> None:
        """Give back what still runs."""
        self._leases.cancel_all(CancelReason.DRAIN)

    def stop(self) -> None:
        """Stop what was started and mark the worker dead, last; all of it, whatever fails."""
        with ExitStack() as last_first:
            last_first.callback(self._own_database.dispose)
            last_first.callback(self._database.dispose)
            last_first.callback(self._redis.close)
            last_first.callback(self._renewal.deregister)
            last_first.callback(self._loop.stop)
            # The renewal pings the loop, so it ends first; the row is marked when nothing runs.
            last_first.callback(self._renewal.stop_renewing)
            if self._services is not None:
                last_first.callback(self._close, self._services)
            last_first.callback(self._sweeper.stop)

    def _close(self, services: LoopServices) -> None:
        self._loop.run(services.close())

    def _renamed(self, worker_id: WorkerId) -> None:
        if self._services is not None:
            self._loop.submit(self._services.listen(worker_id))

    def _make_step(self, services: LoopServices) -> StepDeps:
        settings, timers = self._settings, LoopTimers()
        return StepDeps(
            machine=self._machine,
            settler=Settler(
                machine=self._machine,
                outage_seconds=settings.settle_outage_seconds,
                sleep=time.sleep,
                clock=time.monotonic,
                log=_log,
            ),
            leases=self._leases,
            loop=self._loop,
            flusher=services.flusher,
            providers=services.providers,
            catalog=self._catalog,
            patience=Patience(
                startup_seconds=settings.startup_seconds,
                silence_seconds=settings.silence_seconds,
            ),
            timers=timers,
            max_steps=settings.max_steps,
            worker_id=lambda: self._renewal.worker_id,
            new_id=uuid7,
            clock=time.monotonic,
            now=_now,
            registry=self._registry,
            tools=self._make_tools(timers),
            metrics=self.metrics,
            log=_log,
        )

    def _make_tools(self, timers: Timers) -> ToolDeps:
        return ToolDeps(
            slots=asyncio.Semaphore(self._settings.tool_threads),
            seconds=self._settings.tool_seconds,
            grace_seconds=TOOL_GRACE_SECONDS,
            start_limit=partial(timers.start, TimerName.TOOL),
            start_grace=partial(timers.start, TimerName.GRACE),
            now=_now,
            reached=self._reached,
            log=_log,
        )

    def _make_renewal(self) -> Renewal:
        return Renewal(
            engine=self._own_database,
            me=Me(host=socket.gethostname(), pid=os.getpid(), version=VERSION),
            leases=self._leases,
            loop=self._loop,
            metrics=self.metrics,
            period_seconds=self._settings.renewal_seconds,
            new_id=uuid7,
            renamed=self._renamed,
            log=_log,
        )

    def _make_sweeper(self, recovery: Recovery) -> Sweeper:
        return Sweeper(
            machine=self._machine,
            recovery=recovery,
            renewal=self._renewal,
            metrics=self.metrics,
            reached=self._reached,
            period_seconds=self._settings.sweep_seconds,
            lost_seconds=self._settings.lost_seconds,
            death_seconds=self._settings.death_seconds,
            random=random.random,
            log=_log,
        )


def _now() -> datetime:
    return datetime.now(UTC)


def _open(settings: Settings, size: int, name: str) -> Database:
    return make_engine(settings.sqlalchemy_url, pool_size=size, name=name)
