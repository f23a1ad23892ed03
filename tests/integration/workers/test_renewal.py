"""A worker stays alive by its rounds, and holds what the database says that it holds."""

from dataclasses import replace
from functools import partial
from threading import Event
from threading import enumerate as enumerate_threads

import pytest
from redis import Redis
from sqlalchemy import Engine
from uuid_utils.compat import uuid7

from shared.chats.model.ids import ChatId, LeaseId
from shared.chats.model.lease import Fence
from shared.chats.model.statuses import Status
from shared.chats.moves.callers.interrupt_retry import interrupt
from shared.chats.moves.workers.settle import Finish
from tests.chats import Bench, open_bench
from tests.integration.workers.watch import PERIOD_SECONDS, Watch, open_watch, worker_row
from tests.statements import before_each_statement
from workers.leases.registry import CancelReason, Lease


@pytest.fixture
def bench(engine: Engine, watch: Watch) -> Bench:
    """The watched worker's bench."""
    return replace(open_bench(engine), worker_id=watch.renewal.worker_id)


def _begin(bench: Bench, watch: Watch, *, confirmed: bool = True) -> tuple[ChatId, Lease]:
    """Begin a chat on the watched worker, as a step does."""
    chat_id = bench.start()
    begun = bench.begin(chat_id)
    lease = watch.leases.open(chat_id, begun.fence.lease_id)
    lease.confirmed = confirmed
    return chat_id, lease


def test_a_worker_registers_with_its_free_slots(engine: Engine, watch: Watch) -> None:
    row = worker_row(engine, watch.renewal.worker_id)
    assert (row["host"], row["pid"], row["free_slots"]) == ("here", 7, 5)
    assert row["dead_at"] is None
    assert watch.names == [watch.renewal.worker_id]


def test_a_round_renews_the_row_and_says_how_much_room_is_left(bench: Bench, watch: Watch) -> None:
    before = worker_row(bench.engine, bench.worker_id)
    _begin(bench, watch)
    watch.renewal.round()
    after = worker_row(bench.engine, bench.worker_id)
    assert after["renewed_at"] > before["renewed_at"]  # pyright: ignore[reportOperatorIssue]  # times
    assert after["free_slots"] == 4


def test_a_worker_whose_loop_hangs_does_not_renew(bench: Bench, watch: Watch) -> None:
    before = worker_row(bench.engine, bench.worker_id)
    watch.loop.stop()
    watch.renewal.round()
    assert worker_row(bench.engine, bench.worker_id) == before
    assert watch.renewal.steady_seconds() == 0


def test_what_agrees_is_left_alone(bench: Bench, watch: Watch) -> None:
    chat_id, lease = _begin(bench, watch)
    before = bench.rows(chat_id)
    watch.renewal.round()
    assert lease.reason is None
    assert watch.renewal.take_not_run() == ()
    assert bench.rows(chat_id) == before
    assert watch.counts.leases_lost == 0


def test_a_confirmed_lease_that_the_database_knows_nothing_of_is_cancelled(
    bench: Bench, watch: Watch
) -> None:
    chat_id, lease = _begin(bench, watch)
    bench.machine.delete(chat_id)
    watch.renewal.round()
    assert lease.reason is CancelReason.FENCED
    assert watch.counts.leases_lost == 1
    watch.renewal.round()
    assert watch.counts.leases_lost == 1


def test_a_tentative_lease_is_left_alone(bench: Bench, watch: Watch) -> None:
    lease = watch.leases.open(ChatId(uuid7()), LeaseId(uuid7()))
    watch.renewal.round()
    assert lease.reason is None
    # Not even when its begin has committed and only the confirmation is still to come.
    chat_id, tentative = _begin(bench, watch, confirmed=False)
    watch.renewal.round()
    assert tentative.reason is None
    assert watch.renewal.take_not_run() == ()
    assert bench.chat(chat_id).status is Status.RUNNING


def test_a_step_that_has_just_settled_has_lost_nothing(bench: Bench, watch: Watch) -> None:
    chat_id, lease = _begin(bench, watch)
    lease.unstoppable()
    fence = Fence(history_version=bench.chat(chat_id).history_version, lease_id=lease.id)
    bench.settle(chat_id, fence, Finish(rows=()))
    watch.renewal.round()
    assert watch.counts.leases_lost == 0


def test_an_interrupted_step_that_no_hint_reached_is_told_by_the_round(
    bench: Bench, watch: Watch
) -> None:
    chat_id, lease = _begin(bench, watch)
    bench.machine.update(chat_id, partial(interrupt, clear_queue=False))
    watch.renewal.round()
    assert lease.reason is CancelReason.INTERRUPTED
    assert bench.chat(chat_id).status is Status.INTERRUPTING


def test_a_chat_that_is_held_and_not_run_is_released_and_counts_as_lost(
    bench: Bench, watch: Watch
) -> None:
    chat_id = bench.start()
    bench.begin(chat_id)
    watch.renewal.round()
    assert bench.chat(chat_id).status is Status.RUNNING
    watch.sweeper.round()
    chat = bench.chat(chat_id)
    assert (chat.status, chat.losses) == (Status.PENDING, 1)
    assert chat.enqueued_at == chat.updated_at


def test_an_interrupted_chat_that_is_held_and_not_run_is_finished(
    bench: Bench, watch: Watch
) -> None:
    chat_id = bench.start()
    bench.begin(chat_id)
    bench.machine.update(chat_id, partial(interrupt, clear_queue=False))
    watch.renewal.round()
    watch.sweeper.round()
    assert bench.chat(chat_id).status is Status.WAITING


def test_a_round_waits_for_no_row_of_a_chat(bench: Bench, watch: Watch) -> None:
    chat_id = bench.start()
    bench.begin(chat_id)
    before = worker_row(bench.engine, bench.worker_id)
    with bench.engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("SELECT id FROM chats FOR UPDATE")
        watch.renewal.round()
    assert worker_row(bench.engine, bench.worker_id) != before


def test_a_worker_that_finds_itself_dead_drops_everything_and_starts_over(
    bench: Bench, watch: Watch
) -> None:
    chat_id, lease = _begin(bench, watch)
    tentative = watch.leases.open(ChatId(uuid7()), LeaseId(uuid7()))
    bench.execute("UPDATE workers SET dead_at = now() WHERE id = :id", id=bench.worker_id)
    watch.renewal.round()
    assert (lease.reason, tentative.reason) == (CancelReason.FENCED, CancelReason.FENCED)
    assert watch.renewal.worker_id != bench.worker_id
    assert watch.names == [bench.worker_id, watch.renewal.worker_id]
    assert worker_row(bench.engine, watch.renewal.worker_id)["dead_at"] is None
    assert worker_row(bench.engine, bench.worker_id)["dead_at"] is not None
    # What it held is an orphan's: the next sweeper takes it back.
    watch.sweeper.round()
    chat = bench.chat(chat_id)
    assert (chat.status, chat.losses) == (Status.PENDING, 1)


def test_a_worker_that_is_late_but_not_marked_simply_renews(bench: Bench, watch: Watch) -> None:
    _, lease = _begin(bench, watch)
    bench.execute("UPDATE workers SET renewed_at = now() - interval '1 hour'")
    watch.renewal.round()
    assert lease.reason is None
    assert watch.names == [bench.worker_id]


def test_a_worker_marks_itself_dead_at_the_end(bench: Bench, watch: Watch) -> None:
    watch.renewal.deregister()
    assert worker_row(bench.engine, bench.worker_id)["dead_at"] is not None


def test_renewals_without_a_gap_are_steady(watch: Watch) -> None:
    assert watch.renewal.steady_seconds() == 0
    for _ in range(5):
        watch.clock.time += PERIOD_SECONDS
        watch.renewal.round()
    assert watch.renewal.steady_seconds() == 5 * PERIOD_SECONDS


def test_a_round_that_fails_is_a_gap(bench: Bench, watch: Watch) -> None:
    watch.clock.time += PERIOD_SECONDS
    watch.renewal.round()
    watch.loop.stop()
    watch.renewal.round()
    assert watch.renewal.steady_seconds() == 0


def test_a_process_that_slept_knows_that_it_was_away(watch: Watch) -> None:
    for _ in range(5):
        watch.clock.time += PERIOD_SECONDS
        watch.renewal.round()
    watch.clock.time += 60
    # Before its next renewal, and after it.
    assert watch.renewal.steady_seconds() == 0
    watch.renewal.round()
    assert watch.renewal.steady_seconds() == 0
    watch.clock.time += PERIOD_SECONDS
    assert watch.renewal.steady_seconds() == PERIOD_SECONDS


def test_the_thread_renews_until_it_is_stopped_and_survives_an_outage(
    bench: Bench, engine: Engine, own_engine: Engine, redis: Redis
) -> None:
    renewed, failed = Event(), Event()

    def note(statement: str) -> None:
        if "UPDATE workers" in statement:
            if not failed.is_set():
                failed.set()
                raise ConnectionError("an outage")
            renewed.set()

    watch = open_watch(bench, own_engine, redis, period_seconds=0.01)
    with before_each_statement(own_engine, note):
        watch.renewal.start()
        assert renewed.wait(20)
        watch.close()
    assert not any(thread.name == "renewal" for thread in enumerate_threads())
