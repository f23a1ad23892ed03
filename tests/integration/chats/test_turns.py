"""What becomes of turns: one outcome each, the right one, at the right snapshot."""

from functools import partial

import pytest

from shared.chats.model.errors import MessageNotFound, NotAUserMessage
from shared.chats.model.ids import ChatId, MessageId, TurnId
from shared.chats.model.messages import Role
from shared.chats.model.parts import Part, TextPart, ToolResultPart
from shared.chats.model.statuses import ENDED, BusyBehavior, Status, TurnStatus
from shared.chats.moves.callers.edit import edit
from shared.chats.moves.callers.interrupt_retry import interrupt, retry
from shared.chats.moves.callers.queue import delete_queued, promote_queued
from shared.chats.moves.workers.settle import Failed, Finish, More, Stopped
from tests.chats import PASSING, TERMINAL, Bench, answer, start_chat
from tests.integration.chats.stateful.setups import Standing, put

INSTEAD: tuple[Part, ...] = (TextPart(text="instead"),)


def _statuses(bench: Bench, chat_id: ChatId, *turn_ids: TurnId) -> list[TurnStatus]:
    return [bench.turn(chat_id, turn_id).status for turn_id in turn_ids]


def _turn_row(bench: Bench, chat_id: ChatId, turn_id: TurnId) -> dict[str, object]:
    [row] = [row for row in bench.rows(chat_id)["turns"] if row["id"] == str(turn_id)]
    return dict(row)


def _history(bench: Bench, chat_id: ChatId) -> list[list[str]]:
    return [
        [part.text for part in message.content if isinstance(part, TextPart)]
        for message in bench.history(chat_id)
    ]


def _edit(bench: Bench, standing: Standing, message_id: MessageId | None = None) -> TurnId:
    target = message_id or standing.message_id
    updated = bench.machine.update(standing.chat_id, lambda change: edit(change, target, INSTEAD))
    return updated.value.turn_id


def test_a_turn_is_active_from_the_start_and_finished_with_its_answer(bench: Bench) -> None:
    created = start_chat(bench.machine)
    chat_id, turn_id = created.chat.id, created.value.turn_id
    assert bench.turn(chat_id, turn_id).status is TurnStatus.ACTIVE
    begun = bench.begin(chat_id)
    bench.settle(chat_id, begun.fence, Finish(rows=(answer(turn_id=turn_id),)))
    turn, chat = bench.turn(chat_id, turn_id), bench.chat(chat_id)
    assert turn.status is TurnStatus.FINISHED
    assert turn.user_message_id == created.value.message_id
    assert turn.answer_message_id == chat.last_message_id
    assert turn.steps == 1
    assert _turn_row(bench, chat_id, turn_id)["outcome_revision"] == chat.snapshot_version
    assert chat.current_turn_id is None


def test_an_answer_without_content_ends_the_turn_without_a_row(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING)
    bench.settle(standing.chat_id, standing.fence, Finish(rows=()))
    turn = bench.turn(standing.chat_id, standing.turn_id)
    assert (turn.status, turn.answer_message_id) == (TurnStatus.FINISHED, None)
    assert _history(bench, standing.chat_id) == [["hello"]]


def test_every_step_of_a_turn_counts(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING)
    rows = (answer(turn_id=standing.turn_id),)
    bench.settle(standing.chat_id, standing.fence, More(rows=rows))
    begun = bench.begin(standing.chat_id)
    assert begun.steps == 1
    bench.settle(standing.chat_id, begun.fence, Finish(rows=rows))
    assert bench.turn(standing.chat_id, standing.turn_id).steps == 2


def test_a_queued_message_has_its_turn_from_the_start(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING, queued=1)
    [queued] = standing.queued_turns
    assert bench.turn(standing.chat_id, queued).status is TurnStatus.QUEUED
    bench.settle(standing.chat_id, standing.fence, Finish(rows=()))
    assert bench.turn(standing.chat_id, queued).status is TurnStatus.ACTIVE
    chat = bench.chat(standing.chat_id)
    assert (chat.status, chat.current_turn_id) == (Status.PENDING, queued)
    assert _history(bench, standing.chat_id) == [["hello"], ["queued 0"]]


def test_a_failed_turn_keeps_its_error_and_so_does_the_chat(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING, queued=1)
    bench.settle(standing.chat_id, standing.fence, Failed(failure=TERMINAL))
    turn, chat = bench.turn(standing.chat_id, standing.turn_id), bench.chat(standing.chat_id)
    assert turn.status is TurnStatus.FAILED
    assert turn.error == chat.last_error
    assert chat.last_error is not None
    assert (chat.last_error.kind, chat.last_error.turn_id) == ("auth", standing.turn_id)
    assert chat.queue_length == 1
    assert bench.turn(standing.chat_id, standing.queued_turns[0]).status is TurnStatus.QUEUED


def test_with_continue_the_queue_goes_on_after_a_failure(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING, queued=1, on_error="continue")
    bench.settle(standing.chat_id, standing.fence, Failed(failure=TERMINAL))
    turn, chat = bench.turn(standing.chat_id, standing.turn_id), bench.chat(standing.chat_id)
    assert (turn.status, turn.error is not None) == (TurnStatus.FAILED, True)
    assert (chat.status, chat.last_error) == (Status.PENDING, None)
    assert chat.current_turn_id == standing.queued_turns[0]


def test_with_continue_and_no_queue_a_failure_is_an_error(bench: Bench) -> None:
    standing = put(bench, Status.ERROR, on_error="continue")
    assert bench.chat(standing.chat_id).status is Status.ERROR


def test_retry_makes_the_failed_turn_active_and_it_ends_a_second_time(bench: Bench) -> None:
    standing = put(bench, Status.ERROR)
    first = _turn_row(bench, standing.chat_id, standing.turn_id)["outcome_revision"]
    bench.machine.update(standing.chat_id, retry)
    turn, chat = bench.turn(standing.chat_id, standing.turn_id), bench.chat(standing.chat_id)
    assert (turn.status, turn.error, turn.ended_at) == (TurnStatus.ACTIVE, None, None)
    assert (chat.status, chat.last_error) == (Status.PENDING, None)
    begun = bench.begin(standing.chat_id)
    bench.settle(standing.chat_id, begun.fence, Finish(rows=()))
    row = _turn_row(bench, standing.chat_id, standing.turn_id)
    assert row["status"] == "finished"
    assert row["outcome_revision"] == bench.chat(standing.chat_id).snapshot_version
    assert row["outcome_revision"] != first


def test_archiving_keeps_the_last_error(bench: Bench) -> None:
    from_error = put(bench, Status.ERROR)
    bench.execute("UPDATE chats SET archived = true WHERE id = :id", id=from_error.chat_id)
    assert bench.chat(from_error.chat_id).last_error is not None


@pytest.mark.parametrize("busy", list(BusyBehavior))
def test_sending_to_an_error_starts_a_turn_and_leaves_the_failed_one(
    bench: Bench, busy: BusyBehavior
) -> None:
    standing = put(bench, Status.ERROR)
    placed = bench.say(standing.chat_id, "again", busy)
    chat = bench.chat(standing.chat_id)
    assert (chat.current_turn_id, chat.last_error) == (placed.turn_id, None)
    assert _statuses(bench, standing.chat_id, standing.turn_id, placed.turn_id) == [
        TurnStatus.FAILED,
        TurnStatus.ACTIVE,
    ]


@pytest.mark.parametrize("status", [Status.PENDING, Status.REQUIRES_ACTION])
def test_an_interrupt_between_steps_ends_the_turn_at_once(bench: Bench, status: Status) -> None:
    standing = put(bench, status)
    bench.machine.update(standing.chat_id, partial(interrupt, clear_queue=False))
    chat = bench.chat(standing.chat_id)
    assert chat.status is Status.WAITING
    assert bench.turn(standing.chat_id, standing.turn_id).status is TurnStatus.INTERRUPTED


def test_an_interrupted_step_ends_the_turn_when_it_settles(bench: Bench) -> None:
    standing = put(bench, Status.INTERRUPTING)
    assert bench.turn(standing.chat_id, standing.turn_id).status is TurnStatus.ACTIVE
    said = (answer("as far as", turn_id=standing.turn_id),)
    bench.settle(standing.chat_id, standing.fence, Stopped(), partial=said)
    turn, chat = bench.turn(standing.chat_id, standing.turn_id), bench.chat(standing.chat_id)
    assert turn.status is TurnStatus.INTERRUPTED
    assert turn.answer_message_id == chat.last_message_id
    assert _history(bench, standing.chat_id) == [["hello"], ["as far as"]]


def test_clearing_the_queue_replaces_its_turns(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING, queued=2)
    bench.machine.update(standing.chat_id, partial(interrupt, clear_queue=True))
    assert bench.queue(standing.chat_id) == []
    assert _statuses(bench, standing.chat_id, *standing.queued_turns) == [TurnStatus.REPLACED] * 2
    assert bench.turn(standing.chat_id, standing.turn_id).status is TurnStatus.ACTIVE


def test_an_idle_chat_can_have_its_queue_cleared_by_an_interrupt(bench: Bench) -> None:
    standing = put(bench, Status.ERROR, queued=2)
    bench.machine.update(standing.chat_id, partial(interrupt, clear_queue=True))
    chat = bench.chat(standing.chat_id)
    assert (chat.status, chat.queue_length) == (Status.ERROR, 0)
    assert _statuses(bench, standing.chat_id, *standing.queued_turns) == [TurnStatus.REPLACED] * 2


def test_deleting_a_queued_message_replaces_its_turn(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING, queued=2)
    bench.machine.update(standing.chat_id, lambda change: delete_queued(change, standing.queued[0]))
    assert _statuses(bench, standing.chat_id, *standing.queued_turns) == [
        TurnStatus.REPLACED,
        TurnStatus.QUEUED,
    ]


@pytest.mark.parametrize("status", list(Status))
def test_an_edit_takes_everything_back_from_the_message_on(bench: Bench, status: Status) -> None:
    standing = put(bench, status, queued=2)
    ended = bench.turn(standing.chat_id, standing.turn_id).status in ENDED
    new_turn = _edit(bench, standing)
    chat = bench.chat(standing.chat_id)
    assert (chat.status, chat.current_turn_id, chat.queue_length) == (Status.PENDING, new_turn, 0)
    assert (chat.lease_id, chat.last_error, chat.pending_calls) == (None, None, ())
    assert _history(bench, standing.chat_id) == [["instead"]]
    assert _statuses(bench, standing.chat_id, *standing.queued_turns) == [TurnStatus.REPLACED] * 2
    edited = bench.turn(standing.chat_id, standing.turn_id).status
    assert edited is not TurnStatus.ACTIVE
    assert (edited is TurnStatus.REPLACED) == (not ended)


def test_edited_away_turns_that_had_ended_keep_their_outcome(bench: Bench) -> None:
    standing = put(bench, Status.WAITING)
    before = _turn_row(bench, standing.chat_id, standing.turn_id)
    _edit(bench, standing)
    assert _turn_row(bench, standing.chat_id, standing.turn_id) == before


def test_removed_messages_carry_the_revision_of_their_removal(bench: Bench) -> None:
    standing = put(bench, Status.WAITING)
    _edit(bench, standing)
    chat = bench.chat(standing.chat_id)
    rows = bench.rows(standing.chat_id)["messages"]
    removed = [row["revision"] for row in rows if row["deleted_at"] is not None]
    assert removed == [chat.snapshot_version] * 2


def test_an_edit_in_the_middle_keeps_what_is_before_it(bench: Bench) -> None:
    standing = put(bench, Status.WAITING)
    second = bench.say(standing.chat_id, "second")
    assert second.message_id is not None
    _edit(bench, standing, second.message_id)
    assert _history(bench, standing.chat_id) == [["hello"], ["hi"], ["instead"]]
    assert _statuses(bench, standing.chat_id, standing.turn_id, second.turn_id) == [
        TurnStatus.FINISHED,
        TurnStatus.REPLACED,
    ]


def test_only_messages_of_people_that_are_there_can_be_edited(bench: Bench) -> None:
    standing = put(bench, Status.WAITING)
    before = bench.rows(standing.chat_id)
    with pytest.raises(NotAUserMessage):
        _edit(bench, standing, bench.chat(standing.chat_id).last_message_id)
    with pytest.raises(MessageNotFound):
        _edit(bench, standing, MessageId(10**9))
    assert bench.rows(standing.chat_id) == before
    _edit(bench, standing)
    with pytest.raises(MessageNotFound):  # it was edited away
        _edit(bench, standing)


def test_the_message_of_another_chat_can_not_be_edited(bench: Bench) -> None:
    one, other = put(bench, Status.WAITING), put(bench, Status.WAITING)
    with pytest.raises(MessageNotFound):
        _edit(bench, one, other.message_id)


@pytest.mark.parametrize("status", [Status.PENDING, Status.REQUIRES_ACTION])
def test_an_interrupting_message_takes_the_place_of_a_turn_between_steps(
    bench: Bench, status: Status
) -> None:
    standing = put(bench, status)
    placed = bench.say(standing.chat_id, "stop", BusyBehavior.INTERRUPT)
    assert placed.message_id == bench.chat(standing.chat_id).last_message_id
    assert _statuses(bench, standing.chat_id, standing.turn_id, placed.turn_id) == [
        TurnStatus.INTERRUPTED,
        TurnStatus.ACTIVE,
    ]


@pytest.mark.parametrize("status", [Status.PENDING, Status.REQUIRES_ACTION, Status.ERROR])
def test_a_promoted_message_is_in_the_history_at_once(bench: Bench, status: Status) -> None:
    standing = put(bench, status, queued=2)
    placed = bench.machine.update(
        standing.chat_id, lambda change: promote_queued(change, standing.queued[1])
    ).value
    chat = bench.chat(standing.chat_id)
    assert placed.message_id == chat.last_message_id
    assert chat.current_turn_id == standing.queued_turns[1]
    expected = TurnStatus.FAILED if status is Status.ERROR else TurnStatus.INTERRUPTED
    assert bench.turn(standing.chat_id, standing.turn_id).status is expected


def test_a_turn_that_backs_off_goes_on(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING)
    bench.settle(standing.chat_id, standing.fence, Failed(failure=PASSING))
    row = _turn_row(bench, standing.chat_id, standing.turn_id)
    assert (row["status"], row["outcome_revision"], row["steps"]) == ("active", None, 0)


def test_a_paused_turn_has_the_revision_of_its_pause_and_no_end(bench: Bench) -> None:
    standing = put(bench, Status.REQUIRES_ACTION)
    row = _turn_row(bench, standing.chat_id, standing.turn_id)
    assert row["status"] == "requires_action"
    assert row["outcome_revision"] == bench.chat(standing.chat_id).snapshot_version
    assert row["ended_at"] is None


@pytest.mark.parametrize("busy", [BusyBehavior.QUEUE, BusyBehavior.INTERRUPT])
def test_no_user_message_enters_before_every_call_is_answered(
    bench: Bench, busy: BusyBehavior
) -> None:
    standing = put(bench, Status.REQUIRES_ACTION, queued=1)
    bench.say(standing.chat_id, "and", busy)
    if busy is BusyBehavior.QUEUE:
        bench.machine.update(standing.chat_id, partial(interrupt, clear_queue=False))
    history = bench.history(standing.chat_id)
    assert [row.role for row in history] == [Role.USER, Role.ASSISTANT, Role.TOOL, Role.USER]
    results = [part for part in history[2].content if isinstance(part, ToolResultPart)]
    assert [(one.tool_call_id, one.is_error) for one in results] == [("a", True), ("b", True)]
