"""A delivery is a wake-up: what it begins, what it only acknowledges, and what that costs."""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from shared.chats.machine.change import Change
from shared.chats.machine.limits import Limits
from shared.chats.model.errors import ChatNotFound, WorkerDead
from shared.chats.model.ids import ChatId, MessageId
from shared.chats.model.messages import Message, Role
from shared.chats.model.statuses import BusyBehavior, Move, Status
from shared.chats.moves.callers.interrupt_retry import interrupt
from shared.chats.moves.turns import start_turn
from shared.chats.moves.workers.begin import NotDue, NothingToDo
from shared.chats.moves.workers.settle import Failed, Finish
from shared.chats.store import workers
from tests.chats import PASSING, Bench, answer, open_bench, said
from tests.integration.chats.stateful.setups import put
from tests.statements import statements


def _back_off(bench: Bench, seconds: float) -> ChatId:
    """Return a pending chat whose `retry_at` is so many seconds ahead."""
    standing = put(bench, Status.RUNNING)
    bench.settle(standing.chat_id, standing.fence, Failed(failure=PASSING))
    bench.execute(
        "UPDATE chats SET retry_at = clock_timestamp() + make_interval(secs => :seconds)"
        " WHERE id = :id",
        id=standing.chat_id,
        seconds=seconds,
    )
    return standing.chat_id


def test_a_begin_takes_the_lease_and_reads_the_prompt(bench: Bench) -> None:
    standing = put(bench, Status.WAITING)
    bench.say(standing.chat_id, "and then?")
    begun = bench.begin(standing.chat_id)
    chat = bench.chat(standing.chat_id)
    assert (chat.status, chat.worker_id) == (Status.RUNNING, bench.worker_id)
    assert chat.lease_id == begun.fence.lease_id
    assert chat.history_version == begun.fence.history_version
    assert begun.chat == chat
    assert [row.role for row in begun.messages] == [Role.USER, Role.ASSISTANT, Role.USER]
    assert (begun.steps, begun.chain_disabled) == (0, False)


def test_a_begin_says_how_long_the_chat_was_due(bench: Bench) -> None:
    chat_id = bench.start()
    bench.age(chat_id, "enqueued_at", 30)
    assert 30 <= bench.begin(chat_id).queued_seconds < 60
    late = _back_off(bench, -5)
    bench.age(late, "enqueued_at", 30)
    assert 5 <= bench.begin(late).queued_seconds < 29


def test_a_doubled_delivery_finds_nothing_to_do(bench: Bench) -> None:
    chat_id = bench.start()
    bench.begin(chat_id)
    before = bench.rows(chat_id)
    assert isinstance(bench.deliver(chat_id), NothingToDo)
    assert bench.rows(chat_id) == before


def test_a_delivery_that_finds_nothing_writes_nothing(bench: Bench) -> None:
    standing = put(bench, Status.WAITING)
    with statements(bench.engine) as seen:
        bench.deliver(standing.chat_id)
    assert len(seen) == 1
    assert seen[0].lstrip().upper().startswith(("SELECT", "WITH"))


def test_a_delivery_for_a_chat_that_is_gone_says_so(bench: Bench) -> None:
    with pytest.raises(ChatNotFound):
        bench.deliver(ChatId(uuid7()))


@pytest.mark.parametrize("seconds", [-60.0, 0.0, 0.2])
def test_a_chat_begins_up_to_a_quarter_second_early(bench: Bench, seconds: float) -> None:
    chat_id = _back_off(bench, seconds)
    bench.begin(chat_id)


@pytest.mark.parametrize("seconds", [5.0, 599.0])
def test_an_early_delivery_is_sent_again_with_the_remainder(bench: Bench, seconds: float) -> None:
    chat_id = _back_off(bench, seconds)
    before = bench.rows(chat_id)
    early = bench.deliver(chat_id)
    assert isinstance(early, NotDue)
    assert seconds - 5 < early.remaining_seconds <= seconds
    assert bench.rows(chat_id) == before


def test_a_delivery_more_than_ten_minutes_early_is_left_to_the_sweeper(bench: Bench) -> None:
    chat_id = _back_off(bench, 700)
    assert isinstance(bench.deliver(chat_id), NothingToDo)


def test_the_time_of_the_database_decides_what_is_due(bench: Bench) -> None:
    chat_id = _back_off(bench, 0.3)
    found = bench.deliver(chat_id)
    # Not due, by no more than what is left; or due because the test's machine was slow.
    assert not isinstance(found, NothingToDo)
    if isinstance(found, NotDue):
        assert 0 < found.remaining_seconds <= 0.3


@pytest.mark.parametrize("how", ["dead", "silent", "unknown"])
def test_a_worker_that_may_be_taken_for_dead_begins_nothing(bench: Bench, how: str) -> None:
    strict = open_bench(bench.engine, limits=Limits(death_seconds=7))
    chat_id = strict.start()
    before = strict.rows(chat_id)
    change = {
        "dead": "UPDATE workers SET dead_at = now() WHERE id = :id",
        "silent": "UPDATE workers SET renewed_at = now() - interval '8 seconds' WHERE id = :id",
        "unknown": "DELETE FROM workers WHERE id = :id",
    }[how]
    strict.execute(change, id=strict.worker_id)
    with pytest.raises(WorkerDead):
        strict.deliver(chat_id)
    assert strict.rows(chat_id) == before


def test_a_worker_that_is_late_but_not_marked_begins_again_after_its_renewal(
    bench: Bench,
) -> None:
    strict = open_bench(bench.engine, limits=Limits(death_seconds=7))
    chat_id = strict.start()
    strict.execute(
        "UPDATE workers SET renewed_at = now() - interval '8 seconds' WHERE id = :id",
        id=strict.worker_id,
    )
    with strict.engine.begin() as connection:
        assert workers.renew(connection, strict.worker_id, free_slots=3)
    strict.begin(chat_id)


def test_a_begin_takes_two_statements(bench: Bench) -> None:
    standing = put(bench, Status.WAITING)
    bench.say(standing.chat_id, "more")
    with statements(bench.engine) as seen:
        bench.begin(standing.chat_id)
    assert len(seen) <= 2, seen


@pytest.mark.parametrize(("messages", "most"), [(1, 2), (2, 2), (3, 4), (50, 4)])
def test_a_settle_takes_few_statements(bench: Bench, messages: int, most: int) -> None:
    standing = put(bench, Status.RUNNING)
    rows = tuple(answer(f"{number}", turn_id=standing.turn_id) for number in range(messages))
    with statements(bench.engine) as seen:
        bench.settle(standing.chat_id, standing.fence, Finish(rows=rows))
    assert len(seen) <= most, seen


def test_a_recorded_retry_takes_two_statements(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING)
    with statements(bench.engine) as seen:
        bench.settle(standing.chat_id, standing.fence, Failed(failure=PASSING))
    assert len(seen) <= 2, seen


def test_an_interruption_settles_in_two_statements(bench: Bench) -> None:
    standing = put(bench, Status.INTERRUPTING)
    rows = (answer(turn_id=standing.turn_id),)
    with statements(bench.engine) as seen:
        bench.settle(standing.chat_id, standing.fence, Finish(rows=rows))
    assert len(seen) <= 2, seen


@pytest.mark.parametrize("messages", [1, 2, 3, 50])
def test_messages_of_one_settle_have_rising_ids_in_their_order(bench: Bench, messages: int) -> None:
    standing = put(bench, Status.RUNNING)
    rows = tuple(answer(f"{number}", turn_id=standing.turn_id) for number in range(messages))
    bench.settle(standing.chat_id, standing.fence, Finish(rows=rows))
    stored = bench.history(standing.chat_id)[1:]
    assert [row.content for row in stored] == [row.content for row in rows]


def test_a_move_reads_what_it_has_just_said(bench: Bench) -> None:
    standing = put(bench, Status.WAITING)

    def speak(change: Change) -> list[Message]:
        turn_id = start_turn(change, said("one")).turn_id
        before = change.history.find(_last(change))
        change.insert([answer("two", turn_id=turn_id)])
        after = change.history.find(_last(change))
        change.apply(Move.SEND_QUEUE, Status.PENDING)
        assert before is not None
        assert after is not None
        return [before, after]

    seen = bench.machine.update(standing.chat_id, speak).value
    assert bench.history(standing.chat_id)[-2:] == seen


def _last(change: Change) -> MessageId:
    return change.chat.last_message_id


def test_the_time_of_the_interruption_is_not_touched_by_later_stops(bench: Bench) -> None:
    standing = put(bench, Status.INTERRUPTING)
    since = bench.chat(standing.chat_id).interrupting_since
    assert since is not None
    bench.say(standing.chat_id, "stop", BusyBehavior.INTERRUPT)
    bench.machine.update(standing.chat_id, partial(interrupt, clear_queue=False))
    bench.say(standing.chat_id, "and")
    assert bench.chat(standing.chat_id).interrupting_since == since
    bench.settle(standing.chat_id, standing.fence, Finish(rows=()))
    assert bench.chat(standing.chat_id).interrupting_since is None


def test_times_are_those_of_the_database_after_it_had_the_lock(bench: Bench) -> None:
    chat_id = bench.start()
    chat = bench.chat(chat_id)
    with bench.engine.connect() as connection:
        now = connection.scalar(text("SELECT clock_timestamp()"))
    assert chat.created_at <= chat.updated_at <= now
    assert now - chat.created_at < timedelta(seconds=30)
