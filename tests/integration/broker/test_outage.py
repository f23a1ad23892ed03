"""The guards of kombu's Redis transport, each beside the defect it guards against.

When a test whose name begins with `test_kombu_` fails, kombu has mended that defect: its guard in
`shared.queue` can go, and the test with it.
"""

import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from signal import SIGCONT, SIGKILL, SIGSTOP
from typing import Any, cast

import pytest
import redis
from celery import Celery  # pyright: ignore[reportMissingTypeStubs]  # it has none
from kombu.exceptions import KombuError

from local.databases.valkey import Valkey
from shared.broker.dispatcher import Dispatcher
from shared.broker.errors import EnqueueFailed
from shared.broker.wakeup import RUN_STEP
from shared.chats.model.ids import ChatId
from tests.integration.broker.conftest import StartWorker
from tests.integration.broker.workers import Script, WorkerProcess, new_chat

BACK_SECONDS = 3.0
PUBLISH_SECONDS = 1.0


def hold_one(script: Script, dispatcher: Dispatcher) -> ChatId:
    """Leave the worker with one unacknowledged message and free slots."""
    chat = new_chat()
    script.tell(chat, "hold")
    dispatcher.send(chat)
    script.wait_for(f"run {chat}")
    return chat


def lose_redis(broker: Valkey, worker: WorkerProcess) -> None:
    """End Redis such that the worker learns it from its connection for commands first.

    Which connection fails first, and whether the worker waits for a message just then, is chance
    otherwise; the defect shows in this case only. The wait is a BRPOP of one second that began
    with the last message, so all of this must not take long.
    """
    with cast(Any, redis.Redis).from_url(broker.url) as client:
        while client.info("clients")["blocked_clients"] == 0:
            pass
        worker.send(SIGSTOP)
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    os.kill(broker.pid, SIGKILL)
    broker.stop()
    worker.send(SIGCONT)


@contextmanager
def silenced(broker: Valkey) -> Generator[None, None, None]:
    os.kill(broker.pid, SIGSTOP)
    try:
        yield
    finally:
        os.kill(broker.pid, SIGCONT)


# Which of two sockets fails first is a race that a busy machine may lose.
@pytest.mark.slow
def test_kombu_lets_a_worker_exit_when_redis_goes_away(
    broker: Valkey, script: Script, start_worker: StartWorker, dispatcher: Dispatcher
) -> None:
    worker = start_worker(amqp="stock")
    chat = hold_one(script, dispatcher)
    lose_redis(broker, worker)
    worker.wait_for_line("Unrecoverable error")
    script.let_go(chat)  # it waits for its threads before it exits
    assert worker.wait() == 1


def test_a_worker_stays_when_redis_goes_away(
    broker: Valkey, script: Script, start_worker: StartWorker, dispatcher: Dispatcher
) -> None:
    worker = start_worker()
    chat = hold_one(script, dispatcher)
    lose_redis(broker, worker)
    worker.wait_for_line("Trying again")
    script.let_go(chat)
    script.wait_for(f"done {chat}")
    broker.start()
    dispatcher.send(later := new_chat())
    script.wait_for(f"run {later}")


def seconds_to_the_next_step(
    broker: Valkey, script: Script, worker: WorkerProcess, dispatcher: Dispatcher, pause: str
) -> float:
    """Take Redis away until the worker has come to a pause of so many seconds."""
    broker.stop()
    worker.wait_for_line(f"Trying again in {pause} seconds")
    broker.start()
    dispatcher.send(chat := new_chat())
    return script.wait_for(f"run {chat}")


def test_kombu_leaves_a_worker_deaf_after_an_outage(
    broker: Valkey, script: Script, start_worker: StartWorker, dispatcher: Dispatcher
) -> None:
    worker = start_worker(amqp="stock")
    seconds = seconds_to_the_next_step(broker, script, worker, dispatcher, "6.00")
    assert seconds > BACK_SECONDS


def test_a_worker_takes_work_soon_after_an_outage(
    broker: Valkey, script: Script, start_worker: StartWorker, dispatcher: Dispatcher
) -> None:
    worker = start_worker()
    seconds = seconds_to_the_next_step(broker, script, worker, dispatcher, "2.00")
    assert seconds < BACK_SECONDS


def test_a_busy_worker_leaves_messages_to_others_after_an_outage(
    broker: Valkey, script: Script, start_worker: StartWorker, dispatcher: Dispatcher
) -> None:
    busy = start_worker(worker_concurrency=1)
    busy.wait_until_ready()
    chat = hold_one(script, dispatcher)
    broker.stop()
    busy.wait_for_line("Trying again")
    broker.start()
    busy.wait_for_line("Connected to")
    start_worker(worker_concurrency=1).wait_until_ready()
    for later in (new_chat(), new_chat()):
        dispatcher.send(later)
        script.wait_for(f"done {later}")
    script.let_go(chat)


def test_kombu_lets_a_publisher_wait_for_a_dead_redis(broker: Valkey) -> None:
    app: Any = Celery(broker=broker.url, set_as_current=False)
    broker.stop()
    started = time.monotonic()
    with pytest.raises(KombuError, match="Connection refused"):
        app.send_task(RUN_STEP, retry=False)
    assert time.monotonic() - started > BACK_SECONDS


def test_a_dead_redis_fails_a_publish_at_once(broker: Valkey, dispatcher: Dispatcher) -> None:
    dispatcher.send(new_chat())
    broker.stop()
    started = time.monotonic()
    for _ in range(3):
        with pytest.raises(EnqueueFailed, match="Connection refused"):
            dispatcher.send(new_chat())
    assert time.monotonic() - started < PUBLISH_SECONDS


def test_a_silent_redis_fails_a_publish_within_a_second(
    broker: Valkey, dispatcher: Dispatcher
) -> None:
    dispatcher.send(new_chat())
    with silenced(broker):
        started = time.monotonic()
        with pytest.raises(EnqueueFailed, match="Timeout"):
            dispatcher.send(new_chat())
        assert time.monotonic() - started < PUBLISH_SECONDS
    dispatcher.send(new_chat())
