"""The frame of a worker process: what is made in which order, and what ends in which."""

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final, Protocol

from prometheus_client import CollectorRegistry

from shared.broker.celery_app import App
from shared.broker.dispatcher import Dispatcher
from shared.chats.model.ids import ChatId
from shared.config.settings import Settings
from workers.delivery import celery_worker, task
from workers.process.metrics_server import MetricsServer
from workers.shutdown import Shutdown
from workers.steps.outcome import Outcome
from workers.worker_metrics import WorkerMetrics

SWITCH_SECONDS: Final = 0.0005
"""Task threads and the loop share the GIL: at Python's 5 ms a short transaction takes 64 ms."""

GRACE_SECONDS: Final = 10.0
"""From the drain to the forced end: releasing what still ran, and deregistering."""

EX_FORCED: Final = 70


class StepEngine(Protocol):
    """What the engine gives the frame. Its methods are called in the order they stand here."""

    @property
    def metrics(self) -> WorkerMetrics:
        """Counts deliveries, among others."""
        ...

    def start(self) -> None:
        """Start loop, lease and sweep threads; on return the worker is registered."""
        ...

    def run_step(self, chat_id: ChatId) -> Outcome:
        """Take one step; called from many task threads at once."""
        ...

    def consuming(self) -> None:
        """Note that deliveries come from now on."""
        ...

    def drain(self) -> None:
        """Cancel the steps that still run, so that their chats are released; not always called."""
        ...

    def stop(self) -> None:
        """Stop all threads and mark the worker dead, last; called after a failed start too."""
        ...


MakeEngine = Callable[[Settings, Dispatcher, CollectorRegistry], StepEngine]


def work(
    settings: Settings, app: App, make_engine: MakeEngine, *, grace_seconds: float = GRACE_SECONDS
) -> int:
    """Be a worker until a signal ends it; give the exit status. In the main thread, once."""
    sys.setswitchinterval(SWITCH_SECONDS)
    registry = CollectorRegistry()
    dispatcher = Dispatcher(app)
    engine = make_engine(settings, dispatcher, registry)
    task.register(app, engine.run_step, engine.metrics)
    shutdown = Shutdown(
        drain=engine.drain,
        force=_force,
        drain_seconds=settings.drain_seconds,
        grace_seconds=grace_seconds,
    )
    with ExitStack() as last_first:
        last_first.callback(shutdown.ended)
        last_first.callback(dispatcher.close)
        last_first.callback(engine.stop)
        last_first.callback(shutdown.begin)  # what follows may hang as well
        engine.start()
        # Whoever waits for a worker asks for its metrics: they come when it is registered.
        last_first.enter_context(
            MetricsServer(settings.worker_metrics_host, settings.worker_metrics_port, registry)
        )
        return celery_worker.run(app, shutdown, engine.consuming)


def _force() -> None:
    # Not sys.exit: the interpreter would wait for the pool's threads, which is what hangs.
    os._exit(EX_FORCED)
