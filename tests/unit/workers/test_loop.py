import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest
from structlog.testing import capture_logs

from workers.loop import LoopThread

SOON_SECONDS = 5.0


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    loop = LoopThread()
    loop.start()
    yield loop
    assert loop.stop()


async def answer(value: int) -> int:
    return value


async def fail() -> None:
    raise ValueError("it went wrong")


async def forever(started: threading.Event) -> None:
    started.set()
    await asyncio.Event().wait()


def test_many_threads_wait_on_one_loop(loop: LoopThread) -> None:
    async def thread() -> int:
        return threading.get_ident()

    with ThreadPoolExecutor(8) as threads:
        futures = [threads.submit(lambda: loop.run(thread())) for _ in range(32)]
        idents = {future.result(SOON_SECONDS) for future in futures}
    assert len(idents) == 1
    assert threading.get_ident() not in idents


def test_a_result_comes_back(loop: LoopThread) -> None:
    assert loop.run(answer(3)) == 3


def test_an_error_comes_back_to_its_caller(loop: LoopThread) -> None:
    with capture_logs() as logs, pytest.raises(ValueError, match="it went wrong"):
        loop.run(fail())
    assert logs == []


def test_an_error_in_the_background_is_logged(loop: LoopThread) -> None:
    with capture_logs() as logs:
        assert isinstance(loop.submit(fail()).exception(SOON_SECONDS), ValueError)
        assert loop.ping(SOON_SECONDS)  # callbacks of the task have run by now
    assert [(log["event"], log["coroutine"]) for log in logs] == [("loop.task_failed", "fail")]


def test_a_cancellation_in_the_background_is_not_logged(loop: LoopThread) -> None:
    started = threading.Event()
    with capture_logs() as logs:
        future = loop.submit(forever(started))
        assert started.wait(SOON_SECONDS)
        future.cancel()
        assert loop.ping(SOON_SECONDS)
    assert logs == []


def test_cancelling_a_background_task_reaches_the_coroutine(loop: LoopThread) -> None:
    started, cancelled = threading.Event(), threading.Event()

    async def work() -> None:
        try:
            await forever(started)
        finally:
            cancelled.set()

    future = loop.submit(work())
    assert started.wait(SOON_SECONDS)
    future.cancel()
    assert cancelled.wait(SOON_SECONDS)


def test_a_blocked_loop_does_not_answer(loop: LoopThread) -> None:
    blocked, free = threading.Event(), threading.Event()

    async def block() -> None:
        blocked.set()
        free.wait(SOON_SECONDS)

    future = loop.submit(block())
    assert blocked.wait(SOON_SECONDS)
    assert not loop.ping(0.01)
    free.set()
    future.result(SOON_SECONDS)
    assert loop.ping(SOON_SECONDS)


def test_stopping_cancels_what_runs_and_frees_who_waits() -> None:
    loop = LoopThread()
    loop.start()
    started = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(lambda: loop.run(forever(started)))
        assert started.wait(SOON_SECONDS)
        assert loop.stop()
        with pytest.raises(CancelledError):
            waiting.result(SOON_SECONDS)


def test_a_stopped_loop_refuses_work_and_does_not_answer() -> None:
    loop = LoopThread()
    loop.start()
    assert loop.stop()
    with pytest.raises(RuntimeError, match="does not run"):
        loop.run(answer(3))
    assert not loop.ping(SOON_SECONDS)


def test_a_loop_that_never_started_stops() -> None:
    assert LoopThread().stop()


def test_stopping_gives_up_on_a_loop_that_hangs() -> None:
    loop = LoopThread()
    loop.start()
    blocked, free = threading.Event(), threading.Event()

    async def block() -> None:
        blocked.set()
        free.wait(SOON_SECONDS)

    loop.submit(block())
    assert blocked.wait(SOON_SECONDS)
    assert not loop.stop(timeout_seconds=0.01)
    free.set()
    assert loop.stop()
