"""Who waits for whom: death and begin exclude each other, renewals never wait for begins.

Two connections stand for two processes. That one waits is asked of PostgreSQL itself.
"""

from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, text

from shared.chats.machine.change import Change
from shared.chats.model.errors import WorkerDead
from shared.chats.model.ids import ChatId
from shared.chats.model.statuses import Status
from shared.chats.moves.workers.begin import Begun
from shared.chats.moves.workers.settle import More, Result, settle
from shared.chats.store import chats as store
from shared.chats.store import workers
from tests.chats import Bench, answer

DEATH = timedelta(seconds=7)
WAIT_SECONDS = 20


@pytest.fixture
def beside() -> Generator[ThreadPoolExecutor]:
    """A thread that stands for another process."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        yield pool


def _until_someone_waits(engine: Engine) -> None:
    """Return once a statement of this database waits for a row's lock."""
    blocked = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND cardinality(pg_blocking_pids(pid)) > 0"
    )
    with engine.connect() as connection:
        while connection.execute(blocked).scalar_one() == 0:
            connection.rollback()


def _hold_for_begin(connection: Connection, bench: Bench, chat_id: ChatId) -> bool:
    locked = store.lock_for_begin(connection, chat_id, worker_id=bench.worker_id, death=DEATH)
    return locked.worker_alive


def _in_background(
    pool: ThreadPoolExecutor, engine: Engine, act: Callable[[Connection], int]
) -> "Future[int]":
    def run() -> int:
        with engine.begin() as connection:
            return act(connection)

    return pool.submit(run)


def _age_worker(bench: Bench) -> None:
    bench.execute(
        "UPDATE workers SET renewed_at = now() - interval '8 seconds' WHERE id = :id",
        id=bench.worker_id,
    )


def test_a_death_waits_for_a_begin_that_is_under_way(
    lone_bench: Bench, beside: ThreadPoolExecutor
) -> None:
    bench = lone_bench
    chat_id = bench.start()
    with bench.engine.begin() as connection:
        assert _hold_for_begin(connection, bench, chat_id)
        # Nobody's clock is waited for: death at the age of nothing.
        death = _in_background(
            beside, bench.engine, lambda other: workers.mark_silent(other, death=timedelta(0))
        )
        _until_someone_waits(bench.engine)
        assert not death.done()
    assert death.result(WAIT_SECONDS) == 1


def test_a_begin_waits_for_a_death_that_is_under_way_and_finds_itself_dead(
    lone_bench: Bench, beside: ThreadPoolExecutor
) -> None:
    bench = lone_bench
    chat_id = bench.start()
    before = bench.rows(chat_id)
    with bench.engine.begin() as connection:
        assert workers.mark_silent(connection, death=timedelta(0)) == 1
        delivery = beside.submit(bench.deliver, chat_id)
        _until_someone_waits(bench.engine)
        assert not delivery.done()
    with pytest.raises(WorkerDead):
        delivery.result(WAIT_SECONDS)
    assert bench.rows(chat_id) == before


def test_a_death_that_waited_for_a_renewal_does_not_come(
    lone_bench: Bench, beside: ThreadPoolExecutor
) -> None:
    bench = lone_bench
    _age_worker(bench)
    with bench.engine.begin() as connection:
        assert workers.renew(connection, bench.worker_id, free_slots=1)
        death = _in_background(
            beside, bench.engine, lambda other: workers.mark_silent(other, death=DEATH)
        )
        _until_someone_waits(bench.engine)
    assert death.result(WAIT_SECONDS) == 0


def test_renewals_and_begins_pass_each_other(lone_bench: Bench, beside: ThreadPoolExecutor) -> None:
    bench = lone_bench
    first, second = bench.start(), bench.start()
    with bench.engine.begin() as connection:
        assert _hold_for_begin(connection, bench, first)
        renewal = _in_background(
            beside,
            bench.engine,
            lambda other: workers.renew(other, bench.worker_id, free_slots=1),
        )
        assert renewal.result(WAIT_SECONDS)
    with bench.engine.begin() as connection:
        assert workers.renew(connection, bench.worker_id, free_slots=1)
        begin = beside.submit(bench.begin, second)
        assert begin.result(WAIT_SECONDS).chat.status is Status.RUNNING


def test_two_deliveries_of_a_chat_begin_it_once(
    lone_bench: Bench, beside: ThreadPoolExecutor
) -> None:
    bench = lone_bench
    chat_id = bench.start()
    with bench.engine.begin() as connection:
        store.lock_chat(connection, chat_id)
        one = beside.submit(bench.deliver, chat_id)
        _until_someone_waits(bench.engine)
    names = {type(one.result(WAIT_SECONDS)).__name__, type(bench.deliver(chat_id)).__name__}
    assert names == {"Begun", "NothingToDo"}
    assert bench.chat(chat_id).generation_attempt == 1


def test_a_begin_that_waited_for_a_settling_counts_the_step_that_ended(
    lone_bench: Bench, beside: ThreadPoolExecutor
) -> None:
    bench = lone_bench
    chat_id = bench.start()
    step = bench.begin(chat_id)
    deliveries: list[Future[Begun]] = []

    def settle_slowly(change: Change) -> None:
        turn_id = change.chat.current_turn_id
        assert turn_id is not None
        change.change_turn(turn_id, chain_disabled=True)
        settle(change, step.fence, Result(ending=More(rows=(answer(turn_id=turn_id),))))
        deliveries.append(beside.submit(bench.begin, chat_id))
        _until_someone_waits(bench.engine)

    bench.machine.update(chat_id, settle_slowly)
    begun = deliveries[0].result(WAIT_SECONDS)
    assert (begun.steps, begun.chain_disabled) == (1, True)
    assert len(begun.messages) == 2


def test_marking_and_renewing_say_what_they_found(lone_bench: Bench) -> None:
    bench = lone_bench
    assert workers.mark_dead(bench.engine, host="here", pid=1) == 1
    assert workers.mark_dead(bench.engine, host="here", pid=1) == 0
    with bench.engine.begin() as connection:
        assert not workers.renew(connection, bench.worker_id, free_slots=1)


def test_a_death_is_for_good(lone_bench: Bench) -> None:
    bench = lone_bench
    workers.mark_own_dead(bench.engine, bench.worker_id)
    with bench.engine.begin() as connection:
        workers.renew(connection, bench.worker_id, free_slots=1)
        dead_at = connection.execute(text("SELECT dead_at FROM workers")).scalar_one()
        workers.mark_silent(connection, death=timedelta(0))
        assert connection.execute(text("SELECT dead_at FROM workers")).scalar_one() == dead_at
