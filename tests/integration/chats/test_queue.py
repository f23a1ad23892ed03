"""The queue: interrupting messages first, each class in the order it came, promoted ones ahead."""

from functools import partial

import pytest

from shared.chats.machine.limits import Limits
from shared.chats.model.errors import QueuedNotFound, QueueFull
from shared.chats.model.ids import ChatId, QueuedId
from shared.chats.model.messages import Role, UserMessage
from shared.chats.model.parts import TextPart
from shared.chats.model.statuses import BusyBehavior, Status
from shared.chats.moves.callers.interrupt_retry import interrupt
from shared.chats.moves.callers.queue import delete_queued, promote_queued
from shared.chats.moves.callers.send import send
from shared.chats.moves.workers.settle import Finish
from tests.chats import LONG_SECONDS, Bench, open_bench
from tests.integration.chats.stateful.setups import put

QUEUE, INTERRUPT = BusyBehavior.QUEUE, BusyBehavior.INTERRUPT


def _order(bench: Bench, chat_id: ChatId) -> list[str]:
    parts = [part for queued in bench.queue(chat_id) for part in queued.content]
    return [part.text for part in parts if isinstance(part, TextPart)]


def _drain(bench: Bench, chat_id: ChatId) -> list[str]:
    """Answer every turn with nothing; return the user messages in the order of the history."""
    while bench.chat(chat_id).status is Status.PENDING:
        begun = bench.begin(chat_id)
        bench.settle(chat_id, begun.fence, Finish(rows=()))
    history = bench.history(chat_id)
    parts = [part for row in history if row.role is Role.USER for part in row.content]
    return [part.text for part in parts if isinstance(part, TextPart)]


def _promote(bench: Bench, chat_id: ChatId, queued_id: QueuedId) -> None:
    bench.machine.update(chat_id, lambda change: promote_queued(change, queued_id))


def test_interrupting_messages_go_before_ordinary_ones_in_their_order(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING)
    for text, busy in [
        ("o1", QUEUE),
        ("i1", INTERRUPT),
        ("o2", QUEUE),
        ("i2", INTERRUPT),
        ("o3", QUEUE),
    ]:
        bench.say(standing.chat_id, text, busy)
    assert _order(bench, standing.chat_id) == ["i1", "i2", "o1", "o2", "o3"]
    bench.settle(standing.chat_id, standing.fence, Finish(rows=()))
    assert _drain(bench, standing.chat_id) == ["hello", "i1", "i2", "o1", "o2", "o3"]


def test_a_promoted_message_goes_before_interrupting_ones(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING, queued=3)
    bench.say(standing.chat_id, "i1", INTERRUPT)
    _promote(bench, standing.chat_id, standing.queued[2])
    _promote(bench, standing.chat_id, standing.queued[1])
    bench.say(standing.chat_id, "i2", INTERRUPT)
    assert _order(bench, standing.chat_id) == ["queued 1", "queued 2", "i1", "i2", "queued 0"]
    marked = [queued.interrupting for queued in bench.queue(standing.chat_id)]
    assert marked == [True, True, True, True, False]


def test_promoting_the_head_stops_the_step_all_the_same(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING, queued=1)
    _promote(bench, standing.chat_id, standing.queued[0])
    assert bench.chat(standing.chat_id).status is Status.INTERRUPTING
    assert _order(bench, standing.chat_id) == ["queued 0"]


def test_an_interrupting_message_waits_behind_those_that_were_there_first(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING)
    for text in ("i1", "i2"):
        bench.say(standing.chat_id, text, INTERRUPT)
    bench.settle(standing.chat_id, standing.fence, Finish(rows=()))
    assert bench.chat(standing.chat_id).status is Status.PENDING
    placed = bench.say(standing.chat_id, "i3", INTERRUPT)
    assert placed.queued is not None
    assert placed.message_id is None
    assert _drain(bench, standing.chat_id) == ["hello", "i1", "i2", "i3"]


def test_an_interrupting_message_passes_ordinary_ones(bench: Bench) -> None:
    standing = put(bench, Status.PENDING, queued=2)
    placed = bench.say(standing.chat_id, "stop", INTERRUPT)
    assert placed.message_id is not None
    assert _drain(bench, standing.chat_id) == ["hello", "stop", "queued 0", "queued 1"]


def test_sending_to_an_error_with_a_queue_answers_who_waited_longer_first(bench: Bench) -> None:
    standing = put(bench, Status.ERROR, queued=2)
    placed = bench.say(standing.chat_id, "last")
    assert placed.queued is not None
    assert bench.chat(standing.chat_id).current_turn_id == standing.queued_turns[0]
    assert _order(bench, standing.chat_id) == ["queued 1", "last"]


@pytest.mark.parametrize("busy", [QUEUE, INTERRUPT])
def test_the_message_after_the_last_place_is_refused(bench: Bench, busy: BusyBehavior) -> None:
    standing = put(bench, Status.RUNNING, queued=20)
    before = bench.rows(standing.chat_id)
    with pytest.raises(QueueFull) as refused:
        bench.say(standing.chat_id, "one too many", busy)
    assert refused.value.limit == 20
    assert bench.rows(standing.chat_id) == before


def test_a_full_queue_of_a_failed_chat_takes_one_more_for_the_head_it_gives(bench: Bench) -> None:
    small = open_bench(bench.engine, limits=Limits(max_queued=2, death_seconds=LONG_SECONDS))
    standing = put(small, Status.ERROR, queued=2)
    small.say(standing.chat_id, "third")
    assert _order(small, standing.chat_id) == ["queued 1", "third"]


def test_an_interrupting_message_needs_no_place_in_the_queue_of_a_pending_chat(
    bench: Bench,
) -> None:
    small = open_bench(bench.engine, limits=Limits(max_queued=2, death_seconds=LONG_SECONDS))
    standing = put(small, Status.PENDING, queued=2)
    assert small.say(standing.chat_id, "stop", INTERRUPT).message_id is not None


@pytest.mark.parametrize("status", [Status.RUNNING, Status.ERROR, Status.PENDING])
def test_a_message_that_left_the_queue_can_neither_be_deleted_nor_promoted(
    bench: Bench, status: Status
) -> None:
    standing = put(bench, status, queued=1)
    [queued_id] = standing.queued
    bench.machine.update(standing.chat_id, lambda change: delete_queued(change, queued_id))
    before = bench.rows(standing.chat_id)
    with pytest.raises(QueuedNotFound):
        bench.machine.update(standing.chat_id, lambda change: delete_queued(change, queued_id))
    with pytest.raises(QueuedNotFound):
        _promote(bench, standing.chat_id, queued_id)
    assert bench.rows(standing.chat_id) == before


def test_the_queue_of_another_chat_is_out_of_reach(bench: Bench) -> None:
    one, other = put(bench, Status.RUNNING, queued=1), put(bench, Status.RUNNING, queued=1)
    for move in (delete_queued, promote_queued):
        with pytest.raises(QueuedNotFound):
            bench.machine.update(one.chat_id, partial(move, queued_id=other.queued[0]))


def test_a_queued_message_keeps_what_it_was_sent_with(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING)
    message = UserMessage(
        content=(TextPart(text="later"),), model="other", author="bob", metadata={"a": [1, None]}
    )
    bench.machine.update(standing.chat_id, lambda change: send(change, message, QUEUE))
    assert bench.chat(standing.chat_id).model == "scripted"
    bench.settle(standing.chat_id, standing.fence, Finish(rows=()))
    row = bench.history(standing.chat_id)[-1]
    assert (row.content, row.author, row.metadata) == (
        message.content,
        message.author,
        message.metadata,
    )
    assert bench.chat(standing.chat_id).model == "other"


def test_an_interrupt_lets_the_queue_go_on(bench: Bench) -> None:
    standing = put(bench, Status.PENDING, queued=2)
    bench.machine.update(standing.chat_id, partial(interrupt, clear_queue=False))
    assert _drain(bench, standing.chat_id) == ["hello", "queued 0", "queued 1"]
