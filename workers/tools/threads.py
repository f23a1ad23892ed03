"""Threads that nobody has to wait for: a tool that never ends keeps its own and nothing else."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def in_thread(work: Callable[[], T], *, name: str) -> "asyncio.Future[T]":
    """Run `work` in a thread of its own; return its end as a future of the running loop.

    The thread is a daemon and keeps no process from ending; those of an executor would. Whoever
    stops waiting need not hear how it ended.
    """
    ended: Future[T] = Future()
    ended.set_running_or_notify_cancel()

    def main() -> None:
        try:
            ended.set_result(work())
        except BaseException as error:
            ended.set_exception(error)

    heard = asyncio.wrap_future(ended)
    heard.add_done_callback(_look)
    Thread(target=main, name=name, daemon=True).start()
    return heard


def _look(future: "asyncio.Future[T]") -> None:
    if not future.cancelled():
        future.exception()
