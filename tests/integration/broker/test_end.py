"""How a worker process ends, and that it does."""

from signal import SIGINT, SIGTERM

from local.databases.valkey import Valkey
from shared.broker.dispatcher import Dispatcher
from shared.broker.wakeup import INTERACTIVE
from tests.integration.broker.conftest import StartWorker
from tests.integration.broker.workers import Broker, Script, new_chat
from workers.process.frame import EX_FORCED

LONG = 600.0


def test_an_idle_worker_ends_when_asked(script: Script, start_worker: StartWorker) -> None:
    worker = start_worker(drain_seconds=LONG)
    worker.wait_until_ready()
    worker.send(SIGTERM)
    assert worker.wait() == 0
    assert script.notes() == ["stop"]


def test_a_step_may_finish_and_nothing_new_is_taken(
    broker: Valkey, script: Script, start_worker: StartWorker, dispatcher: Dispatcher
) -> None:
    worker = start_worker(drain_seconds=LONG)
    script.tell(chat := new_chat(), "hold")
    dispatcher.send(chat)
    script.wait_for(f"run {chat}")
    worker.send(SIGTERM)
    worker.wait_for_line("worker.closed_to_work")
    dispatcher.send(new_chat())
    script.let_go(chat)
    assert worker.wait() == 0
    assert script.notes() == [f"done {chat}", "stop"]
    assert Broker(broker.url).length(INTERACTIVE) == 1
    assert Broker(broker.url).unacknowledged() == 0


def test_what_still_runs_after_the_drain_time_is_cancelled(
    script: Script, start_worker: StartWorker, dispatcher: Dispatcher
) -> None:
    worker = start_worker(drain_seconds=0.1)
    script.tell(chat := new_chat(), "hold")
    dispatcher.send(chat)
    script.wait_for(f"run {chat}")
    worker.send(SIGTERM)
    assert worker.wait() == 0
    assert script.notes() == ["drain", f"done {chat}", "stop"]


def test_a_second_signal_cancels_at_once(
    script: Script, start_worker: StartWorker, dispatcher: Dispatcher
) -> None:
    worker = start_worker(drain_seconds=LONG)
    script.tell(chat := new_chat(), "hold")
    dispatcher.send(chat)
    script.wait_for(f"run {chat}")
    worker.send(SIGTERM)
    worker.wait_for_line("worker.ending")
    worker.send(SIGINT)
    assert worker.wait() == 0
    assert script.notes() == ["drain", f"done {chat}", "stop"]


def test_a_step_that_hangs_does_not_keep_the_process(
    script: Script, start_worker: StartWorker, dispatcher: Dispatcher
) -> None:
    worker = start_worker(drain_seconds=0.1, grace_seconds=0.1)
    script.tell(chat := new_chat(), "hang")
    dispatcher.send(chat)
    script.wait_for(f"run {chat}")
    worker.send(SIGTERM)
    assert worker.wait() == EX_FORCED


def test_a_third_signal_ends_the_process_whatever_runs(
    script: Script, start_worker: StartWorker, dispatcher: Dispatcher
) -> None:
    worker = start_worker(drain_seconds=LONG, grace_seconds=LONG)
    script.tell(chat := new_chat(), "hang")
    dispatcher.send(chat)
    script.wait_for(f"run {chat}")
    for number, sign in ((SIGTERM, "worker.ending"), (SIGTERM, "worker.draining")):
        worker.send(number)
        worker.wait_for_line(sign)
    worker.send(SIGINT)
    assert worker.wait() == EX_FORCED


def test_a_worker_that_never_found_its_broker_ends_when_asked(
    broker: Valkey, script: Script, start_worker: StartWorker
) -> None:
    broker.stop()
    worker = start_worker(drain_seconds=LONG)
    worker.wait_for_line("Trying again")
    worker.send(SIGTERM)
    assert worker.wait() == 0
    assert script.notes() == ["stop"]
