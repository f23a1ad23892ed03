"""What a worker makes of what the broker gives it."""

import base64
import json

import pytest

from local.databases.valkey import Valkey
from shared.broker.dispatcher import Dispatcher
from shared.broker.wakeup import INTERACTIVE, RUN_STEP
from tests.integration.broker.conftest import StartWorker
from tests.integration.broker.workers import Broker, Script, new_chat

SOON_SECONDS = 0.6


def message(body: bytes) -> bytes:
    """A message as kombu writes it into a list of Redis."""
    properties = {
        "correlation_id": "1",
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": INTERACTIVE},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": "1",
    }
    envelope = {
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": RUN_STEP, "id": "1"},
        "properties": properties,
    }
    return json.dumps(envelope).encode()


@pytest.mark.parametrize("background", [False, True])
def test_a_delivery_runs_a_step(
    script: Script, start_worker: StartWorker, dispatcher: Dispatcher, background: bool
) -> None:
    start_worker()
    dispatcher.send(chat := new_chat(), background=background)
    script.wait_for(f"done {chat}")


def test_a_countdown_holds_a_delivery_back(
    script: Script, start_worker: StartWorker, dispatcher: Dispatcher
) -> None:
    start_worker().wait_until_ready()
    dispatcher.send(chat := new_chat(), countdown_seconds=SOON_SECONDS)
    seconds = script.wait_for(f"run {chat}")
    # The wait begins after the send, and a busy machine starts a thread late.
    assert SOON_SECONDS / 2 < seconds < SOON_SECONDS + 2.0


def test_a_retry_comes_after_its_exact_delay_and_more_often_than_celery_would(
    broker: Valkey, script: Script, start_worker: StartWorker, dispatcher: Dispatcher
) -> None:
    worker = start_worker(worker_concurrency=1)
    script.tell(chat := new_chat(), *["retry 0.05"] * 4, f"retry {SOON_SECONDS}")
    dispatcher.send(chat)
    for _ in range(5):
        script.wait_for(f"run {chat}")
    seconds = script.wait_for(f"run {chat}")
    # The wait begins after the send, and a busy machine starts a thread late.
    assert SOON_SECONDS / 2 < seconds < SOON_SECONDS + 2.0
    worker.end_gracefully()
    assert Broker(broker.url).unacknowledged() == 0


def test_a_retry_in_more_than_ten_minutes_is_left_to_the_sweeper(
    broker: Valkey, script: Script, start_worker: StartWorker, dispatcher: Dispatcher
) -> None:
    worker = start_worker()
    script.tell(chat := new_chat(), "retry 600.5")
    dispatcher.send(chat)
    script.wait_for(f"done {chat}")
    worker.end_gracefully()
    assert Broker(broker.url).length(INTERACTIVE) == 0
    assert Broker(broker.url).unacknowledged() == 0


def test_a_stale_delivery_is_counted_and_acknowledged(
    broker: Valkey, script: Script, start_worker: StartWorker, dispatcher: Dispatcher
) -> None:
    worker = start_worker()
    script.tell(chat := new_chat(), "stale")
    dispatcher.send(chat)
    script.wait_for("stale")
    worker.end_gracefully()
    assert Broker(broker.url).unacknowledged() == 0


def test_a_defect_in_a_step_costs_neither_the_worker_nor_a_second_delivery(
    broker: Valkey, script: Script, start_worker: StartWorker, dispatcher: Dispatcher
) -> None:
    worker = start_worker(worker_concurrency=1)
    script.tell(chat := new_chat(), "fail")
    dispatcher.send(chat)
    dispatcher.send(later := new_chat())
    script.wait_for(f"done {later}")
    worker.wait_for_line(str(chat))
    worker.end_gracefully()
    assert f"run {chat}" not in script.notes()[1:]
    assert Broker(broker.url).unacknowledged() == 0


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'[[{"chat_id": "5"}], {}, {}]', id="no_uuid"),
        pytest.param(b"[[{}], {}, {}]", id="no_chat"),
        pytest.param(b"[[], {}, {}]", id="no_payload"),
        pytest.param(b'[[5, 6], {"of": "another"}, {}]', id="other_arguments"),
        pytest.param(b"5", id="no_call"),
        pytest.param(b"{}", id="an_empty_object"),
        pytest.param(b"[]", id="an_empty_list"),
        pytest.param(b"[1, 2]", id="another_list"),
    ],
)
def test_an_unreadable_payload_is_counted_and_acknowledged(
    broker: Valkey, script: Script, start_worker: StartWorker, body: bytes
) -> None:
    worker = start_worker(worker_concurrency=1)
    Broker(broker.url).put(INTERACTIVE, message(body))
    script.wait_for("unreadable")
    worker.end_gracefully()
    assert Broker(broker.url).unacknowledged() == 0


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"nonsense", id="no_envelope"),
        pytest.param(b"{}", id="empty_envelope"),
        pytest.param(b"[]", id="another_envelope"),
        pytest.param(message(b"nonsense"), id="no_body"),
    ],
)
def test_a_message_that_is_none_costs_no_worker(
    broker: Valkey, script: Script, start_worker: StartWorker, dispatcher: Dispatcher, raw: bytes
) -> None:
    worker = start_worker(worker_concurrency=1)
    Broker(broker.url).put(INTERACTIVE, raw)
    dispatcher.send(chat := new_chat())
    script.wait_for(f"done {chat}")
    worker.end_gracefully()
    assert Broker(broker.url).unacknowledged() == 0
