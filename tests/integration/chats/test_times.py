"""Where the time of a turn went: every moment is booked once, so that the phases add up."""

from dataclasses import astuple
from functools import partial

import pytest

from shared.chats.model.ids import ChatId, TurnId
from shared.chats.model.parts import TextPart
from shared.chats.model.statuses import ENDED, BusyBehavior, Status
from shared.chats.model.timing import Spans
from shared.chats.moves.callers.edit import edit
from shared.chats.moves.callers.interrupt_retry import interrupt, retry
from shared.chats.moves.callers.queue import delete_queued, promote_queued
from shared.chats.moves.workers.recover import recover_interrupting, recover_running
from shared.chats.moves.workers.settle import Failed, Finish, More, Stopped
from tests.chats import PASSING, TERMINAL, Bench
from tests.integration.chats.stateful.setups import put

TOLERANCE_SECONDS = 0.000_01


def check_adds_up(bench: Bench, chat_id: ChatId, turn_id: TurnId) -> None:
    turn = bench.turn(chat_id, turn_id)
    assert turn.status in ENDED
    assert turn.ended_at is not None
    length = (turn.ended_at - turn.created_at).total_seconds()
    assert sum(astuple(turn.time)) == pytest.approx(length, abs=TOLERANCE_SECONDS)


def test_the_phases_of_an_answered_turn_add_up(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING)
    chat_id = standing.chat_id
    bench.settle(chat_id, standing.fence, More(rows=()), spans=Spans(provider=0.001))
    begun = bench.begin(chat_id)
    bench.settle(chat_id, begun.fence, Failed(failure=PASSING), spans=Spans(provider=0.0005))
    bench.age(chat_id, "retry_at", 10)
    begun = bench.begin(chat_id)
    bench.settle(chat_id, begun.fence, Failed(failure=TERMINAL))
    bench.machine.update(chat_id, retry)
    begun = bench.begin(chat_id)
    bench.settle(chat_id, begun.fence, Finish(rows=()), spans=Spans(provider=0.001, tools=0.0001))
    check_adds_up(bench, chat_id, standing.turn_id)
    time = bench.turn(chat_id, standing.turn_id).time
    assert time.provider == pytest.approx(0.0025)
    assert time.tools == pytest.approx(0.0001)
    assert min(time.queue, time.commit) > 0


def test_the_time_in_the_queue_counts_as_queued(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING, queued=1)
    bench.settle(standing.chat_id, standing.fence, Finish(rows=()))
    check_adds_up(bench, standing.chat_id, standing.turn_id)
    begun = bench.begin(standing.chat_id)
    bench.settle(standing.chat_id, begun.fence, Finish(rows=()))
    check_adds_up(bench, standing.chat_id, standing.queued_turns[0])


@pytest.mark.parametrize("status", [Status.PENDING, Status.REQUIRES_ACTION])
def test_a_turn_that_is_stopped_between_steps_adds_up(bench: Bench, status: Status) -> None:
    standing = put(bench, status)
    bench.machine.update(standing.chat_id, partial(interrupt, clear_queue=False))
    check_adds_up(bench, standing.chat_id, standing.turn_id)
    if status is Status.REQUIRES_ACTION:
        assert bench.turn(standing.chat_id, standing.turn_id).time.client_tools > 0


def test_an_interrupted_lease_is_booked_in_one_piece(bench: Bench) -> None:
    standing = put(bench, Status.INTERRUPTING)
    bench.say(standing.chat_id, "next", BusyBehavior.INTERRUPT)
    spans = Spans(provider=0.0001)
    bench.settle(standing.chat_id, standing.fence, Stopped(), spans=spans)
    check_adds_up(bench, standing.chat_id, standing.turn_id)
    assert bench.turn(standing.chat_id, standing.turn_id).time.provider == pytest.approx(0.0001)


def test_a_message_that_takes_the_place_of_a_turn_ends_its_time(bench: Bench) -> None:
    standing = put(bench, Status.PENDING, queued=1)
    bench.say(standing.chat_id, "stop", BusyBehavior.INTERRUPT)
    check_adds_up(bench, standing.chat_id, standing.turn_id)


def test_a_promotion_over_a_turn_ends_its_time(bench: Bench) -> None:
    standing = put(bench, Status.PENDING, queued=1)
    bench.machine.update(
        standing.chat_id, lambda change: promote_queued(change, standing.queued[0])
    )
    check_adds_up(bench, standing.chat_id, standing.turn_id)


@pytest.mark.parametrize(
    "status", [Status.PENDING, Status.RUNNING, Status.INTERRUPTING, Status.REQUIRES_ACTION]
)
def test_a_turn_that_is_edited_away_adds_up(bench: Bench, status: Status) -> None:
    standing = put(bench, status)
    bench.machine.update(
        standing.chat_id,
        lambda change: edit(change, standing.message_id, (TextPart(text="instead"),)),
    )
    check_adds_up(bench, standing.chat_id, standing.turn_id)


def test_a_turn_that_never_left_the_queue_was_queued_all_the_time(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING, queued=3)
    bench.machine.update(standing.chat_id, lambda change: delete_queued(change, standing.queued[0]))
    bench.machine.update(standing.chat_id, partial(interrupt, clear_queue=True))
    for turn_id in standing.queued_turns:
        check_adds_up(bench, standing.chat_id, turn_id)
        assert bench.turn(standing.chat_id, turn_id).time.queue > 0


def test_the_turn_of_a_dead_worker_adds_up_when_it_ends(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING)
    bench.machine.update(standing.chat_id, partial(recover_running, fence=standing.fence))
    begun = bench.begin(standing.chat_id)
    bench.machine.update(standing.chat_id, partial(interrupt, clear_queue=False))
    bench.machine.update(
        standing.chat_id, partial(recover_interrupting, fence=begun.fence, partial=())
    )
    check_adds_up(bench, standing.chat_id, standing.turn_id)
    assert bench.turn(standing.chat_id, standing.turn_id).time.provider > 0
