"""The end of a worker process: how long it may take, and that it comes."""

import time
from collections.abc import Callable
from enum import Enum, auto
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final

import structlog

NAME: Final = "ending"

_log = structlog.stdlib.get_logger()


class _Sign(Enum):
    ASKED = auto()
    BEGUN = auto()
    ENDED = auto()


class Shutdown:
    """Watches over the end on a thread of its own; Celery's threads pool can't cancel anything.

    Once the end has begun, what still runs after `drain_seconds` is cancelled by `drain`, and a
    process that is still there `grace_seconds` later is ended by `force`. Being asked a second
    time skips the first wait, a third time the second.
    """

    def __init__(
        self,
        *,
        drain: Callable[[], None],
        force: Callable[[], None],
        drain_seconds: float,
        grace_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; `start` makes the thread."""
        self._drain = drain
        self._force = force
        self._drain_seconds = drain_seconds
        self._grace_seconds = grace_seconds
        self._clock = clock
        # The one queue whose put may interrupt itself: signal handlers use it.
        self._signs: SimpleQueue[_Sign] = SimpleQueue()
        self._thread: Thread | None = None

    def start(self, wake: Callable[[], None]) -> None:
        """Begin to watch; `wake` makes the worker notice at once that it was asked."""
        self._thread = Thread(target=self._watch, args=(wake,), name=NAME, daemon=True)
        self._thread.start()

    def ask(self) -> None:
        """Somebody wants the process to end. Safe in a signal handler."""
        self._signs.put(_Sign.ASKED)

    def begin(self) -> None:
        """The worker takes nothing new any more, asked to end or by itself."""
        _log.info("worker.closed_to_work")
        self._signs.put(_Sign.BEGUN)

    def ended(self) -> None:
        """Everything has ended: there is nothing to force any more."""
        self._signs.put(_Sign.ENDED)
        if self._thread is not None:
            self._thread.join()

    def _watch(self, wake: Callable[[], None]) -> None:
        if self._signs.get() is _Sign.ENDED:
            return
        _log.info("worker.ending")
        wake()
        if self._is_over(self._drain_seconds):
            return
        _log.warning("worker.draining")
        # On another thread: a drain that hangs must not put off the end.
        Thread(target=self._drain_logged, name="drain", daemon=True).start()
        if self._is_over(self._grace_seconds):
            return
        _log.error("worker.forced_to_end")
        self._force()

    def _is_over(self, seconds: float) -> bool:
        """Wait: true when it has ended, false when the time is up or somebody asks again."""
        deadline = self._clock() + seconds
        try:
            while (
                sign := self._signs.get(timeout=max(deadline - self._clock(), 0))
            ) is _Sign.BEGUN:
                pass
        except Empty:
            return False
        return sign is _Sign.ENDED

    def _drain_logged(self) -> None:
        try:
            self._drain()
        except Exception:
            _log.exception("worker.drain_failed")
