"""Celery's worker as this project runs it: the stock threads pool, our signals, our logging."""

import logging
import os
import signal
import socket
import warnings
from collections.abc import Callable
from typing import Any, Final, cast

import celery.worker.state as celery_state  # pyright: ignore[reportMissingTypeStubs]
from celery import signals  # pyright: ignore[reportMissingTypeStubs]
from celery.apps.worker import (  # pyright: ignore[reportMissingTypeStubs]
    Worker as StockWorker,
)
from celery.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
    CPendingDeprecationWarning,
)
from celery.platforms import (  # pyright: ignore[reportMissingTypeStubs]
    SecurityWarning,  # pyright: ignore[reportUnknownVariableType]
)

from shared.broker.celery_app import App
from workers.shutdown import Shutdown

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)

CHATTY: Final = ("celery.worker.strategy", "celery.app.trace")
"""They would write several lines about every delivery."""


def run(app: App, shutdown: Shutdown, consuming: Callable[[], None]) -> int:
    """Run a worker until it is asked to end; give its exit status. In the main thread.

    `consuming` hears that the worker takes deliveries from now on.
    """
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    # Celery says at every lost connection that tasks go on; they shall.
    warnings.filterwarnings("ignore", category=cast(Any, CPendingDeprecationWarning))
    # The danger that Celery warns root of is in pickled messages; ours are JSON.
    warnings.filterwarnings("ignore", category=cast(Any, SecurityWarning))
    # Whoever receives this signal has set up logging, so that Celery leaves it alone.
    receiver: Any = _keep_logging
    cast(Any, signals).setup_logging.connect(receiver)
    worker = _Worker(shutdown, app, consuming)
    shutdown.start(worker.wake)
    cast(Any, worker).start()
    return cast(int | None, worker.exitcode) or 0


def _keep_logging(**_: object) -> None:
    """Our own set-up stands."""


def _nothing() -> None:
    """What the main loop is woken for."""


class _Worker(StockWorker):
    def __init__(self, shutdown: Shutdown, app: App, consuming: Callable[[], None]) -> None:
        self._own_shutdown = shutdown
        self._consuming = consuming
        cast(Any, super()).__init__(
            app=app,
            # Celery's default is the same for all workers of a machine, and control needs one each.
            hostname=f"worker-{os.getpid()}@{socket.gethostname()}",
            quiet=True,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )

    def wake(self) -> None:
        """Make the main loop look at its flags now, not when its wait for a message is over."""
        hub = cast(Any, self).hub
        if hub is not None:
            hub.call_soon(_nothing)

    def install_platform_tweaks(self, worker: object) -> None:
        """Take the signals: Celery's cold shutdown asks the pool for what threads can't do."""
        for number in SIGNALS:
            signal.signal(number, self._on_signal)

    def on_consumer_ready(self, consumer: object) -> None:
        """The worker takes deliveries; after Celery has logged it."""
        cast(Any, super()).on_consumer_ready(consumer)
        self._consuming()

    def on_close(self) -> None:
        """The end has begun, whatever the reason."""
        self._own_shutdown.begin()
        cast(Any, super()).on_close()

    def _on_signal(self, number: int, frame: object) -> None:
        cast(Any, celery_state).should_stop = 0  # the warm shutdown's flag and exit status
        self._own_shutdown.ask()
