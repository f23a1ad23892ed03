"""Versions and counters of a chat: what raises them, what resets them, and nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import text

from shared.chats.machine.change import Change
from shared.chats.machine.limits import Limits
from shared.chats.model.chat import Chat
from shared.chats.model.errors import StaleFence
from shared.chats.model.lease import Episode
from shared.chats.model.messages import Usage
from shared.chats.model.parts import TextPart
from shared.chats.model.statuses import BusyBehavior, Move, Status
from shared.chats.moves.callers.edit import edit
from shared.chats.moves.callers.fields import NewFields, set_fields
from shared.chats.moves.callers.interrupt_retry import interrupt, retry
from shared.chats.moves.callers.queue import delete_queued, promote_queued
from shared.chats.moves.workers.begin import GivenUp
from shared.chats.moves.workers.recover import recover_running
from shared.chats.moves.workers.settle import Failed, Finish, More, Released, Stopped
from shared.failures.kinds import Failure
from tests.chats import LONG_SECONDS, PASSING, TERMINAL, Bench, answer, open_bench
from tests.integration.chats.stateful.moves import PERFORM
from tests.integration.chats.stateful.setups import Standing, put


def _lose(bench: Bench, standing: Standing) -> Chat:
    """Have a pending chat begin and lose its worker."""
    begun = bench.begin(standing.chat_id)
    move = partial(recover_running, fence=begun.fence)
    return bench.machine.update(standing.chat_id, move).chat


def _fail(bench: Bench, standing: Standing) -> Chat:
    """Have a pending chat begin, fail and be due again."""
    begun = bench.begin(standing.chat_id)
    bench.settle(standing.chat_id, begun.fence, Failed(failure=PASSING))
    bench.age(standing.chat_id, "retry_at", 3600)
    return bench.chat(standing.chat_id)


CHANGING = [
    (Move.SEND_QUEUE, Status.WAITING),
    (Move.SEND_QUEUE, Status.RUNNING),
    (Move.SEND_INTERRUPT, Status.PENDING),
    (Move.EDIT, Status.RUNNING),
    (Move.DELETE_QUEUED, Status.RUNNING),
    (Move.PROMOTE_QUEUED, Status.RUNNING),
    (Move.INTERRUPT, Status.RUNNING),
    (Move.RETRY, Status.ERROR),
    (Move.SET_FIELDS, Status.RUNNING),
    (Move.ARCHIVE, Status.ERROR),
    (Move.BEGIN, Status.PENDING),
    (Move.SETTLE_MORE, Status.RUNNING),
    (Move.SETTLE_FINISH, Status.RUNNING),
    (Move.RECORD_RETRY, Status.RUNNING),
    (Move.SETTLE_FAIL, Status.RUNNING),
    (Move.RELEASE, Status.RUNNING),
    (Move.FINISH_INTERRUPTION, Status.INTERRUPTING),
    (Move.RECOVER, Status.RUNNING),
]


@pytest.mark.parametrize(("move", "status"), CHANGING)
def test_every_change_is_a_snapshot_of_its_own(bench: Bench, move: Move, status: Status) -> None:
    standing = put(bench, status, queued=0 if status is Status.WAITING else 1)
    before = bench.chat(standing.chat_id)
    history = bench.rows(standing.chat_id)["messages"]
    queue = bench.queue(standing.chat_id)
    PERFORM[move](bench, standing)
    after = bench.chat(standing.chat_id)
    version = before.snapshot_version + 1
    assert after.snapshot_version == version
    changed = bench.rows(standing.chat_id)["messages"] != history
    assert after.history_version == (version if changed else before.history_version)
    changed = bench.queue(standing.chat_id) != queue
    assert after.queue_version == (version if changed else before.queue_version)
    changed = after.status is not before.status
    assert after.status_version == (version if changed else before.status_version)
    changed = after.title != before.title
    assert after.title_version == (version if changed else before.title_version)
    changed = after.last_error != before.last_error
    assert after.error_version == (version if changed else before.error_version)
    changed = after.retry_state != before.retry_state
    assert after.retry_version == (version if changed else before.retry_version)


def test_pending_calls_have_a_version_of_their_own(bench: Bench) -> None:
    standing = put(bench, Status.REQUIRES_ACTION)
    paused = bench.chat(standing.chat_id)
    assert paused.action_version == paused.snapshot_version
    bench.machine.update(standing.chat_id, partial(interrupt, clear_queue=False))
    after = bench.chat(standing.chat_id)
    assert (after.pending_calls, after.requires_action_deadline_at) == ((), None)
    assert after.action_version == after.snapshot_version


@pytest.mark.parametrize("status", [Status.WAITING, Status.ERROR, Status.INTERRUPTING])
def test_a_stop_that_finds_nothing_to_stop_changes_nothing(bench: Bench, status: Status) -> None:
    standing = put(bench, status)
    before = bench.rows(standing.chat_id)
    sent = len(bench.recorder.hints)
    updated = bench.machine.update(standing.chat_id, partial(interrupt, clear_queue=True))
    assert bench.rows(standing.chat_id) == before
    assert updated.chat == bench.chat(standing.chat_id)
    assert len(bench.recorder.hints) == sent


def test_every_begin_opens_an_episode_and_a_history_change_a_row_of_them(bench: Bench) -> None:
    standing = put(bench, Status.PENDING)
    first = bench.begin(standing.chat_id)
    assert first.chat.episode == Episode(history_version=1, attempt=1)
    bench.settle(standing.chat_id, first.fence, Released(counts_as_loss=False))
    second = bench.begin(standing.chat_id)
    assert second.chat.episode == Episode(history_version=1, attempt=2)
    row = answer(turn_id=standing.turn_id)
    bench.settle(standing.chat_id, second.fence, More(rows=(row,)))
    version = bench.chat(standing.chat_id).history_version
    assert version > 1
    third = bench.begin(standing.chat_id).chat
    assert third.episode == Episode(history_version=version, attempt=1)


@pytest.mark.parametrize("move", [Move.INTERRUPT, Move.RETRY])
def test_what_does_not_touch_the_history_goes_on_with_the_attempts(
    bench: Bench, move: Move
) -> None:
    standing = put(bench, Status.ERROR if move is Move.RETRY else Status.PENDING)
    if move is Move.INTERRUPT:
        _lose(bench, standing)
    PERFORM[move](bench, standing)
    assert bench.chat(standing.chat_id).generation_attempt == 1


def test_a_recorded_retry_counts_a_failure_and_says_until_when(bench: Bench) -> None:
    standing = put(bench, Status.PENDING)
    for number, seconds in enumerate((1, 2, 4), start=1):
        begun = bench.begin(standing.chat_id)
        settlement = bench.settle(standing.chat_id, begun.fence, Failed(failure=PASSING))
        chat = bench.chat(standing.chat_id)
        assert settlement.retry_in_seconds == seconds
        assert (chat.status, chat.failures, chat.losses) == (Status.PENDING, number, 0)
        assert chat.retry_state is not None
        assert (chat.retry_state.attempt, chat.retry_state.delay_ms) == (number, seconds * 1000)
        assert (chat.retry_state.kind, chat.retry_state.status_code) == ("overloaded", 529)
        assert chat.retry_at == chat.retry_state.retrying_at
        assert chat.retry_at is not None
        assert (chat.retry_at - chat.updated_at).total_seconds() == seconds
        assert chat.last_error is None
        bench.age(standing.chat_id, "retry_at", 3600)


def test_a_begin_clears_the_back_off_but_not_what_was_counted(bench: Bench) -> None:
    standing = put(bench, Status.PENDING)
    _fail(bench, standing)
    _lose(bench, standing)
    chat = bench.begin(standing.chat_id).chat
    assert (chat.retry_at, chat.retry_state) == (None, None)
    assert (chat.failures, chat.losses) == (1, 1)


def test_a_hint_of_the_provider_is_the_floor_of_the_wait(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING)
    failure = Failed(failure=_hinting(90.0))
    assert bench.settle(standing.chat_id, standing.fence, failure).retry_in_seconds == 90


def test_a_wait_of_more_than_ten_minutes_is_left_to_the_sweeper(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING)
    sent = list(bench.recorder.sent)
    settlement = bench.settle(standing.chat_id, standing.fence, Failed(failure=_hinting(601.0)))
    assert (settlement.move, settlement.retry_in_seconds) == (Move.RECORD_RETRY, None)
    assert bench.recorder.sent == sent


def _hinting(seconds: float) -> Failure:
    return replace(PASSING, retry_after=seconds)


def test_the_last_failure_that_is_allowed_ends_the_turn(bench: Bench) -> None:
    limited = open_bench(bench.engine, limits=Limits(max_failures=3, death_seconds=LONG_SECONDS))
    standing = put(limited, Status.PENDING)
    _fail(limited, standing)
    _fail(limited, standing)
    begun = limited.begin(standing.chat_id)
    limited.settle(standing.chat_id, begun.fence, Failed(failure=PASSING))
    chat = limited.chat(standing.chat_id)
    assert chat.status is Status.ERROR
    assert chat.last_error is not None
    assert (chat.last_error.kind, chat.last_error.retryable) == ("overloaded", True)


def test_no_cap_means_no_cap(bench: Bench) -> None:
    unlimited = open_bench(
        bench.engine,
        limits=Limits(max_failures=0, max_losses=0, death_seconds=LONG_SECONDS),
    )
    standing = put(unlimited, Status.PENDING)
    unlimited.execute(
        "UPDATE chats SET failures = 1000, losses = 1000 WHERE id = :id", id=standing.chat_id
    )
    begun = unlimited.begin(standing.chat_id)
    settlement = unlimited.settle(standing.chat_id, begun.fence, Failed(failure=PASSING))
    assert settlement.retry_in_seconds == 60


def test_a_chat_that_lost_its_worker_too_often_is_failed_instead_of_begun(bench: Bench) -> None:
    limited = open_bench(bench.engine, limits=Limits(max_losses=2, death_seconds=LONG_SECONDS))
    standing = put(limited, Status.PENDING)
    _lose(limited, standing)
    assert _lose(limited, standing).losses == 2
    assert isinstance(limited.deliver(standing.chat_id), GivenUp)
    chat = limited.chat(standing.chat_id)
    assert chat.status is Status.ERROR
    assert chat.last_error is not None
    assert (chat.last_error.kind, chat.last_error.retryable) == ("generic", False)
    assert "worker was lost 2 times" in chat.last_error.message
    assert chat.last_error.turn_id == standing.turn_id


def test_a_failed_chat_keeps_its_counts_until_a_person_acts(bench: Bench) -> None:
    standing = put(bench, Status.PENDING)
    _lose(bench, standing)
    _fail(bench, standing)
    begun = bench.begin(standing.chat_id)
    bench.settle(standing.chat_id, begun.fence, Failed(failure=TERMINAL))
    chat = bench.chat(standing.chat_id)
    assert (chat.failures, chat.losses) == (1, 1)
    bench.machine.update(standing.chat_id, retry)
    chat = bench.chat(standing.chat_id)
    assert (chat.failures, chat.losses) == (0, 0)


def test_giving_up_on_a_chat_that_backed_off_clears_the_back_off(bench: Bench) -> None:
    standing = put(bench, Status.PENDING)
    _fail(bench, standing)
    bench.execute("UPDATE chats SET losses = 25 WHERE id = :id", id=standing.chat_id)
    assert isinstance(bench.deliver(standing.chat_id), GivenUp)
    chat = bench.chat(standing.chat_id)
    assert (chat.retry_at, chat.retry_state) == (None, None)


@pytest.mark.parametrize(("counts", "losses"), [(True, 1), (False, 0)])
def test_a_release_counts_as_a_loss_only_if_nobody_ran_the_chat(
    bench: Bench, counts: bool, losses: int
) -> None:
    standing = put(bench, Status.RUNNING)
    bench.settle(standing.chat_id, standing.fence, Released(counts_as_loss=counts))
    assert bench.chat(standing.chat_id).losses == losses


def test_a_stop_that_the_row_knows_nothing_of_gives_the_chat_back(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING)
    settlement = bench.settle(standing.chat_id, standing.fence, Stopped())
    chat = bench.chat(standing.chat_id)
    assert settlement.move is Move.RELEASE
    assert (chat.status, chat.losses, chat.failures) == (Status.PENDING, 0, 0)
    assert bench.recorder.sent[-1] == (standing.chat_id, 0.0)


RESETTING: Mapping[str, Callable[[Change, Standing], object]] = {
    "edit": lambda change, at: edit(change, at.message_id, (TextPart(text="instead"),)),
    "interrupt": lambda change, at: interrupt(change, clear_queue=False),
    "promote": lambda change, at: promote_queued(change, at.queued[0]),
}


@pytest.mark.parametrize("name", [*RESETTING, "send_interrupt"])
def test_what_a_person_changes_of_a_chat_that_backs_off_is_a_new_beginning(
    bench: Bench, name: str
) -> None:
    standing = put(bench, Status.PENDING, queued=1)
    _lose(bench, standing)
    begun = bench.begin(standing.chat_id)
    bench.settle(standing.chat_id, begun.fence, Failed(failure=PASSING))
    if name == "send_interrupt":
        bench.say(standing.chat_id, "stop", BusyBehavior.INTERRUPT)
    else:
        bench.machine.update(standing.chat_id, lambda change: RESETTING[name](change, standing))
    chat = bench.chat(standing.chat_id)
    assert (chat.retry_at, chat.retry_state) == (None, None)
    assert (chat.failures, chat.losses) == (0, 0)
    assert bench.begin(standing.chat_id)


@pytest.mark.parametrize("name", ["send", "delete_queued", "set_fields"])
def test_what_leaves_the_history_alone_leaves_the_back_off_alone(bench: Bench, name: str) -> None:
    standing = put(bench, Status.PENDING, queued=1)
    begun = bench.begin(standing.chat_id)
    bench.settle(standing.chat_id, begun.fence, Failed(failure=PASSING))
    before = bench.chat(standing.chat_id)
    match name:
        case "send":
            bench.say(standing.chat_id, "more")
        case "delete_queued":
            bench.machine.update(
                standing.chat_id, lambda change: delete_queued(change, standing.queued[0])
            )
        case _:
            bench.machine.update(
                standing.chat_id, lambda change: set_fields(change, NewFields(title="t"))
            )
    after = bench.chat(standing.chat_id)
    assert (after.retry_at, after.retry_state, after.failures) == (
        before.retry_at,
        before.retry_state,
        1,
    )


@pytest.mark.parametrize(
    ("move", "status"),
    [
        (Move.SEND_QUEUE, Status.WAITING),
        (Move.EDIT, Status.RUNNING),
        (Move.INTERRUPT, Status.PENDING),
        (Move.RETRY, Status.ERROR),
        (Move.SETTLE_MORE, Status.RUNNING),
        (Move.SETTLE_FINISH, Status.RUNNING),
        (Move.RELEASE, Status.RUNNING),
        (Move.FINISH_INTERRUPTION, Status.INTERRUPTING),
        (Move.RECOVER, Status.RUNNING),
        (Move.RECOVER, Status.INTERRUPTING),
        (Move.RECOVER, Status.WAITING),
    ],
)
def test_every_move_to_pending_sends_a_message(bench: Bench, move: Move, status: Status) -> None:
    queued = 0 if (move, status) == (Move.SEND_QUEUE, Status.WAITING) else 1
    standing = put(bench, status, queued=queued)
    bench.execute(
        "UPDATE chats SET sweeps = 3, enqueued_at = NULL WHERE id = :id", id=standing.chat_id
    )
    sent = len(bench.recorder.sent)
    PERFORM[move](bench, standing)
    chat = bench.chat(standing.chat_id)
    assert chat.status is Status.PENDING
    assert (chat.sweeps, chat.enqueued_at) == (0, chat.updated_at)
    assert bench.recorder.sent[sent:] == [(standing.chat_id, 0.0)]


def test_a_recorded_retry_leaves_the_sending_to_the_task(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING)
    bench.execute("UPDATE chats SET sweeps = 3 WHERE id = :id", id=standing.chat_id)
    sent = len(bench.recorder.sent)
    bench.settle(standing.chat_id, standing.fence, Failed(failure=PASSING))
    chat = bench.chat(standing.chat_id)
    assert (chat.sweeps, chat.enqueued_at) == (0, chat.updated_at)
    assert len(bench.recorder.sent) == sent


def test_a_broken_chain_is_not_tried_again_in_this_turn(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING)
    failure = replace(PASSING, chain_broken=True)
    bench.settle(standing.chat_id, standing.fence, Failed(failure=failure))
    bench.age(standing.chat_id, "retry_at", 3600)
    assert bench.begin(standing.chat_id).chain_disabled


@pytest.mark.parametrize("column", ["last_error", "retry_state", "metadata", "tools"])
def test_nothing_is_stored_as_null_of_the_database(bench: Bench, column: str) -> None:
    standing = put(bench, Status.ERROR)
    bench.machine.update(standing.chat_id, retry)
    table, key = ("messages", "chat_id") if column == "metadata" else ("chats", "id")
    with bench.engine.connect() as connection:
        statement = text(f"SELECT count(*) FROM {table} WHERE {key} = :id AND {column} IS NULL")
        count = connection.execute(statement, {"id": standing.chat_id}).scalar_one()
    assert count == 1


def test_usage_is_counted_once_per_answer(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING)
    usage = Usage(input_tokens=3, output_tokens=2, context_limit=1000)
    row = answer(turn_id=standing.turn_id, usage=usage)
    bench.settle(standing.chat_id, standing.fence, Finish(rows=(row,)))
    with pytest.raises(StaleFence):  # a COMMIT whose answer was lost, tried again
        bench.settle(standing.chat_id, standing.fence, Finish(rows=(row,)))
    assert bench.chat(standing.chat_id).usage == usage
    assert bench.turn(standing.chat_id, standing.turn_id).usage == usage
