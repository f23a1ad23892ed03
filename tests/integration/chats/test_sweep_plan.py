"""What a round of the sweeper finds, and what it sends again."""

import pytest
from sqlalchemy import Engine, text

from shared.chats.machine.limits import Limits
from shared.chats.model.ids import ChatId, WorkerId
from shared.chats.model.statuses import Status
from shared.chats.moves.workers.settle import Failed
from shared.chats.store import chats as store
from shared.chats.store.sweep import BATCH, SweepPlan
from tests.chats import LONG_SECONDS, PASSING, Bench, open_bench, register_worker
from tests.integration.chats.stateful.setups import archive, put

# Long, so that what a slow machine takes does not matter: the tests move the rows' times.
LOST_SECONDS = 3000.0
LIMITS = Limits(death_seconds=LONG_SECONDS, interrupting_seconds=1500)


@pytest.fixture
def bench(engine: Engine) -> Bench:
    """A bench on a database of the test's own: a round sees every chat there is."""
    return open_bench(engine, limits=LIMITS)


def _sweep(bench: Bench, *, may_declare_death: bool = False) -> SweepPlan:
    plan = bench.machine.sweep(lost_seconds=LOST_SECONDS, may_declare_death=may_declare_death)
    assert plan is not None
    return plan


def _slots(bench: Bench, slots: int) -> None:
    bench.execute("UPDATE workers SET free_slots = :slots", slots=slots)


def _silence(bench: Bench, worker_id: WorkerId, seconds: float) -> None:
    bench.execute(
        "UPDATE workers SET renewed_at = now() - make_interval(secs => :seconds) WHERE id = :id",
        id=worker_id,
        seconds=seconds,
    )


def test_a_message_is_lost_after_a_while(bench: Bench) -> None:
    chat_id = bench.start()
    assert _sweep(bench).resent == ()
    bench.age(chat_id, "enqueued_at", 2000)
    assert _sweep(bench).resent == ()
    bench.age(chat_id, "enqueued_at", 1001)
    bench.recorder.sent.clear()
    assert _sweep(bench).resent == (chat_id,)
    assert bench.recorder.sent == [(chat_id, 0.0)]
    chat = bench.chat(chat_id)
    assert chat.sweeps == 1
    assert _sweep(bench).resent == ()


@pytest.mark.parametrize("sweeps", range(8))
def test_the_patience_doubles_five_times(bench: Bench, sweeps: int) -> None:
    chat_id = bench.start()
    bench.execute("UPDATE chats SET sweeps = :sweeps", sweeps=sweeps)
    patience = LOST_SECONDS * 2 ** min(sweeps, 5)
    bench.age(chat_id, "enqueued_at", patience - 1500)
    assert _sweep(bench).resent == ()
    bench.age(chat_id, "enqueued_at", 1501)
    assert _sweep(bench).resent == (chat_id,)
    assert bench.chat(chat_id).sweeps == sweeps + 1


def test_a_chat_that_is_not_due_has_not_lost_its_message(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING)
    bench.settle(standing.chat_id, standing.fence, Failed(failure=PASSING))
    bench.age(standing.chat_id, "enqueued_at", 100)
    bench.execute("UPDATE chats SET retry_at = now() + interval '100 seconds'")
    assert _sweep(bench).resent == ()
    bench.age(standing.chat_id, "enqueued_at", 3000)
    bench.execute("UPDATE chats SET retry_at = now() - interval '2900 seconds'")
    assert _sweep(bench).resent == ()
    bench.execute("UPDATE chats SET retry_at = now() - interval '3001 seconds'")
    assert _sweep(bench).resent == (standing.chat_id,)


def test_a_wait_too_long_for_a_countdown_is_sent_when_it_is_due(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING)
    bench.settle(standing.chat_id, standing.fence, Failed(failure=PASSING))
    bench.execute("UPDATE chats SET enqueued_at = now() - interval '11 minutes'")
    bench.execute("UPDATE chats SET retry_at = now() + interval '1 minute'")
    assert _sweep(bench).resent == ()
    bench.execute("UPDATE chats SET retry_at = now()")
    assert _sweep(bench).resent == (standing.chat_id,)
    # Now it has been sent, and may be lost like any other.
    assert _sweep(bench).resent == ()


@pytest.mark.parametrize("status", [one for one in Status if one is not Status.PENDING])
def test_only_pending_chats_lose_messages(bench: Bench, status: Status) -> None:
    standing = put(bench, status)
    bench.age(standing.chat_id, "enqueued_at", 10_000)
    assert _sweep(bench).resent == ()


def _aged(bench: Bench, count: int) -> list[ChatId]:
    """Return so many chats with lost messages, the oldest first."""
    chats = [bench.start() for _ in range(count)]
    for place, chat_id in enumerate(chats):
        bench.age(chat_id, "enqueued_at", 100_000 - place)
    return chats


def test_no_more_is_sent_than_live_workers_have_room_for_the_oldest_first(bench: Bench) -> None:
    chats = _aged(bench, 4)
    _slots(bench, 2)
    assert set(_sweep(bench).resent) == set(chats[:2])
    assert set(_sweep(bench).resent) == set(chats[2:])


def test_nothing_is_lost_while_nobody_has_room(bench: Bench) -> None:
    [chat_id] = _aged(bench, 1)
    before = bench.rows(chat_id)
    _slots(bench, 0)
    assert _sweep(bench).resent == ()
    assert bench.rows(chat_id) == before


@pytest.mark.parametrize("how", ["dead", "silent"])
def test_workers_that_do_not_live_have_no_room(bench: Bench, how: str) -> None:
    _aged(bench, 1)
    other = register_worker(bench.engine, slots=100)
    _slots(bench, 0)
    bench.execute("UPDATE workers SET free_slots = 100 WHERE id = :id", id=other)
    if how == "dead":
        bench.execute("UPDATE workers SET dead_at = now() WHERE id = :id", id=other)
    else:
        _silence(bench, other, 3700)
    assert _sweep(bench).resent == ()


def test_a_chat_whose_row_is_held_is_passed_over(bench: Bench) -> None:
    held, free = _aged(bench, 2)
    with bench.engine.begin() as connection:
        store.lock_chat(connection, held)
        assert _sweep(bench).resent == (free,)
    assert _sweep(bench).resent == (held,)


def test_a_round_takes_a_hundred_chats_at_the_most(bench: Bench) -> None:
    chats = _aged(bench, 1)
    _slots(bench, 10_000)
    bench.execute(
        "INSERT INTO chats (id, owner, title, status, model, snapshot_version, history_version,"
        " status_version, enqueued_at) SELECT gen_random_uuid(), 'o', 't', 'pending', 'm', 1, 1,"
        " 1, now() - interval '50000 seconds' FROM generate_series(1, :count)",
        count=BATCH + 20,
    )
    first = _sweep(bench).resent
    assert len(first) == BATCH
    assert chats[0] in first
    assert len(_sweep(bench).resent) == 21


def test_only_one_sweeps_at_a_time(bench: Bench) -> None:
    [chat_id] = _aged(bench, 1)
    with bench.engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": 0x57E9_0002})
        found = bench.machine.sweep(lost_seconds=LOST_SECONDS, may_declare_death=True)
        assert found is None
    assert _sweep(bench).resent == (chat_id,)


def test_the_chats_of_a_dead_worker_are_orphans(bench: Bench) -> None:
    running = put(bench, Status.RUNNING)
    interrupting = put(bench, Status.INTERRUPTING)
    put(bench, Status.PENDING)
    assert _sweep(bench).orphaned == ()
    bench.execute("UPDATE workers SET dead_at = now()")
    found = {held.chat_id: held for held in _sweep(bench).orphaned}
    assert set(found) == {running.chat_id, interrupting.chat_id}
    assert found[running.chat_id].fence == running.fence
    assert found[interrupting.chat_id].status is Status.INTERRUPTING


def test_a_worker_whose_row_is_gone_is_a_dead_one(bench: Bench) -> None:
    running = put(bench, Status.RUNNING)
    bench.execute("DELETE FROM workers")
    assert [held.chat_id for held in _sweep(bench).orphaned] == [running.chat_id]


def test_only_who_was_there_all_the_time_declares_others_dead(bench: Bench) -> None:
    other = register_worker(bench.engine)
    _silence(bench, other, 3700)
    assert _sweep(bench).dead_workers == 0
    assert _sweep(bench, may_declare_death=True).dead_workers == 1
    assert _sweep(bench, may_declare_death=True).dead_workers == 0
    with bench.engine.connect() as connection:
        dead = connection.execute(text("SELECT id FROM workers WHERE dead_at IS NOT NULL"))
        assert dead.scalars().all() == [other]


def test_workers_that_died_long_ago_are_forgotten_unless_they_hold_a_chat(bench: Bench) -> None:
    holding = bench.worker_id
    put(bench, Status.RUNNING)
    register_worker(bench.engine)
    bench.execute("UPDATE workers SET dead_at = now() - interval '2 hours'")
    recent = register_worker(bench.engine)
    bench.execute("UPDATE workers SET dead_at = now() WHERE id = :id", id=recent)
    _sweep(bench)
    with bench.engine.connect() as connection:
        left = set(connection.execute(text("SELECT id FROM workers")).scalars())
    assert left == {holding, recent}


def test_an_interruption_is_overdue_after_its_time(bench: Bench) -> None:
    standing = put(bench, Status.INTERRUPTING)
    bench.age(standing.chat_id, "interrupting_since", 1400)
    assert _sweep(bench).overdue == ()
    bench.age(standing.chat_id, "interrupting_since", 101)
    assert [held.chat_id for held in _sweep(bench).overdue] == [standing.chat_id]


def test_a_waiting_chat_with_a_queue_was_left_lying(bench: Bench) -> None:
    stranded = put(bench, Status.WAITING, queued=1)
    put(bench, Status.WAITING)
    put(bench, Status.ERROR, queued=1)
    assert _sweep(bench).stranded == (stranded.chat_id,)


def test_an_archived_chat_is_not_left_lying(bench: Bench) -> None:
    stranded = put(bench, Status.WAITING, queued=1)
    archive(bench, stranded.chat_id)
    assert _sweep(bench).stranded == ()
