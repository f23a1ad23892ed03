"""The one asyncio loop of a worker, on a thread of its own, for all traffic that waits."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from threading import Event, Lock, Thread
from typing import Any, Final, TypeVar

import structlog
import uvloop

from workers.resolver import Addresses, Resolver

T = TypeVar("T")

NAME: Final = "loop"
STOP_SECONDS: Final = 5.0

_log = structlog.stdlib.get_logger()


class Loop(uvloop.Loop):
    """uvloop with name look-ups that do not wait for each other; aiohttp asks the loop for them."""

    def __init__(self) -> None:
        """Make the loop with a resolver of its own."""
        super().__init__()
        self._resolver = Resolver()

    async def getaddrinfo(
        self,
        host: str | bytes | None,
        port: str | bytes | int | None,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> Addresses:
        """Return the addresses of a name. Raise `socket.gaierror`."""
        hints = {"family": family, "type": type, "proto": proto, "flags": flags}
        return await self._resolver.resolve(host, port, **hints)


class LoopThread:
    """A uvloop that task threads hand coroutines to. Start it after any fork, stop it once.

    Thread-safe. The thread is a daemon: a loop that hangs does not keep the process.
    """

    def __init__(self) -> None:
        """Prepare; `start` makes the thread."""
        self._thread = Thread(target=self._main, name=NAME, daemon=True)
        self._running = Event()
        self._lock = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    def start(self) -> None:
        """Start the thread and wait until the loop runs."""
        self._thread.start()
        self._running.wait()

    def run(self, coro: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop, wait for it in this thread, give its result or its error.

        A coroutine that was cancelled raises `concurrent.futures.CancelledError`; why it was
        cancelled is known to whoever did it.
        """
        return self._schedule(coro).result()

    def submit(self, coro: Coroutine[Any, Any, T]) -> "Future[T]":
        """Run a coroutine in the background; an error it ends with is logged."""
        name = coro.__qualname__
        future = self._schedule(coro)
        future.add_done_callback(lambda done: _log_error(name, done))
        return future

    def ping(self, timeout_seconds: float) -> bool:
        """Whether the loop turns: false when it does not answer in time or has stopped."""
        answered = Event()
        with self._lock:
            if self._loop is None:
                return False
            self._loop.call_soon_threadsafe(answered.set)
        return answered.wait(timeout_seconds)

    def stop(self, timeout_seconds: float = STOP_SECONDS) -> bool:
        """Cancel everything, end the loop and its thread; false if it did not end in time."""
        with self._lock:
            if self._loop is not None and self._stopping is not None:
                self._loop.call_soon_threadsafe(self._stopping.set)
            self._loop = None
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _schedule(self, coro: Coroutine[Any, Any, T]) -> "Future[T]":
        # Under the lock: the loop sees, and cancels, all that is handed over before `stop` asks.
        with self._lock:
            if self._loop is None:
                coro.close()
                raise RuntimeError("the loop does not run")
            return asyncio.run_coroutine_threadsafe(coro, self._loop)

    def _main(self) -> None:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        self._stopping = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._running.set()
        await self._stopping.wait()


def _log_error(name: str, future: "Future[Any]") -> None:
    try:
        error = future.exception()
    except CancelledError:
        return  # whoever cancelled it knows
    if error is not None:
        _log.error("loop.task_failed", coroutine=name, exc_info=error)
