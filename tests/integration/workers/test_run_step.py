"""One delivery from begin to its outcome, with a real database and a real buffer."""

from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import Connection, event

from shared.chats.model.ids import ChatId, WorkerId
from shared.chats.model.lease import Episode
from shared.chats.model.messages import Usage
from shared.chats.model.parts import TextPart
from shared.chats.model.statuses import Move, Status, TurnStatus
from shared.chats.moves.callers.edit import edit
from shared.chats.moves.callers.interrupt_retry import interrupt
from shared.chats.moves.workers.settle import Failed
from shared.failures.kinds import Preclassified, ProviderError, StreamTruncated
from tests.chats import PASSING, register_worker
from tests.integration.workers.rig import MODEL, Rig
from tests.statements import before_each_statement
from workers.leases.registry import CancelReason
from workers.providers.protocol import FinishReason, StreamEnd, TextDelta
from workers.steps.outcome import RetryLater, Settled, Stale
from workers.worker_metrics import Stage

FINISH = StreamEnd(reason=FinishReason.STOP, usage=Usage(input_tokens=4, output_tokens=2))
HELLO = TextDelta(0, "hello there")
SAID = (TextPart(text="hello there"),)
FIRST = Episode(history_version=1, attempt=1)


def _say_all(rig: Rig) -> None:
    rig.until_asked()
    rig.on_loop(rig.puppet.say(HELLO))
    rig.on_loop(rig.puppet.say(FINISH))
    rig.loop.run(_end(rig))


async def _end(rig: Rig, error: BaseException | None = None) -> None:
    rig.puppet.end(error)


def _fail(rig: Rig, error: BaseException) -> None:
    rig.until_asked()
    rig.on_loop(rig.puppet.say(HELLO))
    rig.on_loop(_end(rig, error))


def _answer(rig: Rig, chat_id: ChatId) -> tuple[object, bool]:
    row = rig.bench.history(chat_id)[-1]
    return row.content, row.interrupted


def test_an_answer_is_streamed_committed_and_counted(rig: Rig) -> None:
    chat_id = rig.bench.start()
    step = rig.begin_step(chat_id)
    _say_all(rig)
    assert step.result(20) == Settled()
    chat = rig.bench.chat(chat_id)
    assert chat.status is Status.WAITING
    assert chat.usage == Usage(input_tokens=4, output_tokens=2, context_limit=1000)
    assert _answer(rig, chat_id) == (SAID, False)
    assert rig.parts(chat_id, FIRST) == SAID
    assert (rig.notes.moves, rig.notes.asked) == ([Move.SETTLE_FINISH], [MODEL.name])
    assert rig.notes.stages == [Stage.BEGIN, Stage.QUEUE, Stage.SETTLE, Stage.PROVIDER]
    assert (rig.notes.first_parts, rig.notes.streams) == (1, 0)
    assert rig.deps.leases.all() == []


def test_the_lease_is_tentative_before_the_begin_and_confirmed_after(rig: Rig) -> None:
    chat_id = rig.bench.start()
    seen: list[tuple[int, int]] = []

    def look(*_: object) -> None:
        seen.append((len(rig.deps.leases.all()), len(rig.deps.leases.confirmed())))

    with before_each_statement(rig.bench.engine, look):
        step = rig.begin_step(chat_id)
        rig.until_asked()
    assert set(seen) == {(1, 0)}
    [lease] = rig.deps.leases.confirmed()
    assert lease.id == rig.bench.chat(chat_id).lease_id
    _say_all(rig)
    step.result(20)
    assert rig.deps.leases.all() == []


def test_a_passing_failure_is_tried_later_with_an_empty_buffer(rig: Rig) -> None:
    chat_id = rig.bench.start()
    step = rig.begin_step(chat_id)
    _fail(rig, ProviderError(status_code=529))
    assert step.result(20) == RetryLater(delay_seconds=1.0)
    rig.on_loop(rig.flusher.stop())
    assert rig.parts(chat_id, FIRST) == ()
    assert len(rig.bench.history(chat_id)) == 1


def test_a_terminal_failure_is_the_end(rig: Rig) -> None:
    chat_id = rig.bench.start()
    step = rig.begin_step(chat_id)
    _fail(rig, ProviderError(status_code=401))
    assert step.result(20) == Settled()
    assert rig.bench.chat(chat_id).status is Status.ERROR


def test_a_defect_of_an_adapter_ends_the_turn(rig: Rig) -> None:
    chat_id = rig.bench.start()
    step = rig.begin_step(chat_id)
    _fail(rig, ValueError("a defect"))
    assert step.result(20) == Settled()
    error = rig.bench.chat(chat_id).last_error
    assert error is not None
    assert (error.kind, error.retryable) == ("generic", False)
    assert "defect" not in error.message + error.detail


def test_a_model_that_is_not_declared_is_an_error_of_the_chat(rig: Rig) -> None:
    chat_id = rig.bench.start(model="unheard-of")
    assert rig.step(chat_id) == Settled()
    error = rig.bench.chat(chat_id).last_error
    assert error is not None
    assert error.kind == "config"
    assert "unheard-of" in error.message
    assert (rig.notes.moves, rig.notes.asked) == ([Move.SETTLE_FAIL], [None])


def test_a_provider_that_can_not_be_used_is_an_error_of_the_chat(rig: Rig) -> None:
    class Unusable:
        def get(self, name: str) -> object:
            del name
            raise Preclassified(replace(PASSING, retryable=False))

    rig.with_deps(providers=Unusable())
    chat_id = rig.bench.start()
    assert rig.step(chat_id) == Settled()
    assert rig.bench.chat(chat_id).status is Status.ERROR


def test_a_delivery_that_finds_nothing_is_stale(rig: Rig) -> None:
    chat_id = rig.bench.start()
    rig.bench.begin(chat_id)
    before = rig.bench.rows(chat_id)
    assert rig.step(chat_id) == Stale()
    rig.bench.machine.delete(chat_id)
    assert rig.step(chat_id) == Stale()
    assert before
    assert rig.notes.stages == []


def test_an_early_delivery_comes_again_with_the_remainder(rig: Rig) -> None:
    chat_id = rig.bench.start()
    begun = rig.bench.begin(chat_id)
    rig.bench.settle(chat_id, begun.fence, Failed(failure=replace(PASSING, retry_after=500)))
    outcome = rig.step(chat_id)
    assert isinstance(outcome, RetryLater)
    assert 400 < outcome.delay_seconds <= 500


def test_a_chat_that_is_given_up_is_settled_without_a_step(rig: Rig) -> None:
    chat_id = rig.bench.start()
    rig.bench.execute("UPDATE chats SET losses = 25")
    assert rig.step(chat_id) == Settled()
    assert rig.bench.chat(chat_id).status is Status.ERROR
    assert rig.notes.moves == []


def test_a_worker_that_is_marked_dead_tries_again_under_its_next_id(rig: Rig) -> None:
    chat_id = rig.bench.start()
    rig.bench.execute("UPDATE workers SET dead_at = now()")
    assert rig.step(chat_id) == RetryLater(delay_seconds=1.0)
    assert rig.bench.chat(chat_id).status is Status.PENDING


def test_a_death_before_the_begin_takes_the_id_or_the_lease(rig: Rig) -> None:
    chat_id = rig.bench.start()

    def renamed() -> WorkerId:
        # What the renewal does when it finds itself dead, at the worst moment.
        for lease in rig.deps.leases.all():
            lease.cancel(CancelReason.FENCED)
        return register_worker(rig.bench.engine)

    rig.with_deps(worker_id=renamed)
    step = rig.begin_step(chat_id)
    _say_all(rig)
    assert step.result(20) == Settled()


def test_a_database_that_is_away_puts_off_the_begin(rig: Rig) -> None:
    chat_id = rig.bench.start()

    def wait_briefly(connection: Connection) -> None:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '20ms'")

    event.listen(rig.bench.engine, "begin", wait_briefly)
    with rig.bench.engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("SELECT id FROM chats FOR UPDATE")
        assert rig.step(chat_id) == RetryLater(delay_seconds=1.0)


def test_a_stop_keeps_what_was_said(rig: Rig) -> None:
    chat_id = rig.bench.start()
    step = rig.begin_step(chat_id)
    rig.until_asked()
    rig.on_loop(rig.puppet.say(HELLO))
    rig.bench.machine.update(chat_id, partial(interrupt, clear_queue=False))
    [lease] = rig.deps.leases.all()
    lease.cancel(CancelReason.INTERRUPTED)
    assert step.result(20) == Settled()
    assert _answer(rig, chat_id) == (SAID, True)
    assert rig.bench.chat(chat_id).status is Status.WAITING
    assert (rig.notes.moves, rig.notes.asked) == ([Move.FINISH_INTERRUPTION], [MODEL.name])


def test_a_stop_that_came_before_the_request_is_no_step(rig: Rig) -> None:
    chat_id = rig.bench.start()
    rig.deps.leases.cancel_all(CancelReason.INTERRUPTED)
    assert rig.begin_step(chat_id).result(20) == Settled()
    assert (rig.notes.moves, rig.notes.asked) == ([Move.RELEASE], [None])


def test_a_stop_that_no_hint_told_of_is_found_by_the_settle(rig: Rig) -> None:
    chat_id = rig.bench.start()
    step = rig.begin_step(chat_id)
    rig.until_asked()
    rig.bench.machine.update(chat_id, partial(interrupt, clear_queue=False))
    _fail(rig, StreamTruncated())
    assert step.result(20) == Settled()
    assert _answer(rig, chat_id) == (SAID, True)


def test_an_answer_that_was_complete_when_it_was_stopped_is_kept_whole(rig: Rig) -> None:
    chat_id = rig.bench.start()
    step = rig.begin_step(chat_id)
    rig.until_asked()
    rig.bench.machine.update(chat_id, partial(interrupt, clear_queue=False))
    _say_all(rig)
    assert step.result(20) == Settled()
    assert _answer(rig, chat_id) == (SAID, False)
    assert rig.bench.chat(chat_id).usage.input_tokens == 4
    [turn] = rig.bench.rows(chat_id)["turns"]
    assert turn["status"] == TurnStatus.INTERRUPTED.value


@pytest.mark.parametrize("told", [True, False])
def test_a_step_that_lost_its_chat_writes_nothing(rig: Rig, told: bool) -> None:
    chat_id = rig.bench.start()
    step = rig.begin_step(chat_id)
    rig.until_asked()
    message = rig.bench.history(chat_id)[0]
    rig.bench.machine.update(
        chat_id, lambda change: edit(change, message.id, (TextPart(text="instead"),))
    )
    before = rig.bench.rows(chat_id)
    if told:
        [lease] = rig.deps.leases.all()
        lease.cancel(CancelReason.FENCED)
    else:
        _say_all(rig)
    assert step.result(20) == Stale()
    assert rig.bench.rows(chat_id) == before
    assert rig.notes.moves == []


def test_a_chat_that_is_deleted_under_its_step_leaves_nothing(rig: Rig) -> None:
    chat_id = rig.bench.start()
    step = rig.begin_step(chat_id)
    rig.until_asked()
    rig.bench.machine.delete(chat_id)
    _say_all(rig)
    assert step.result(20) == Stale()


def test_a_drain_gives_the_chat_back_at_once(rig: Rig) -> None:
    chat_id = rig.bench.start()
    step = rig.begin_step(chat_id)
    rig.until_asked()
    rig.deps.leases.cancel_all(CancelReason.DRAIN)
    assert step.result(20) == Settled()
    chat = rig.bench.chat(chat_id)
    assert (chat.status, chat.losses, chat.failures) == (Status.PENDING, 0, 0)
    assert rig.bench.recorder.sent == [(chat_id, 0.0)] * 2
    assert rig.notes.moves == [Move.RELEASE]


def test_what_begins_during_a_drain_is_given_back_unasked(rig: Rig) -> None:
    chat_id = rig.bench.start()
    rig.deps.leases.cancel_all(CancelReason.DRAIN)
    assert rig.step(chat_id) == Settled()
    assert rig.bench.chat(chat_id).status is Status.PENDING
    assert not rig.puppet.opened.is_set()


def test_a_settle_that_fails_for_good_still_ends_the_episode(rig: Rig) -> None:
    chat_id = rig.bench.start()
    step = rig.begin_step(chat_id)
    rig.until_asked()
    rig.bench.execute("ALTER TABLE messages RENAME TO mislaid")
    _say_all(rig)
    with pytest.raises(Exception, match="messages"):
        step.result(20)
    assert rig.deps.leases.all() == []
    # What is left of an episode that ended lives for a minute, not for fifteen.
    rig.on_loop(rig.flusher.stop())
    [key] = rig.redis.keys("*")  # pyright: ignore[reportUnknownVariableType, reportGeneralTypeIssues, reportUnknownMemberType]  # untyped
    assert rig.redis.ttl(key) <= 60  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType, reportOperatorIssue]  # as above


def test_the_steps_of_the_turn_and_the_failures_reach_the_request(rig: Rig) -> None:
    chat_id = rig.bench.start()
    rig.bench.execute("UPDATE chats SET failures = 3")
    step = rig.begin_step(chat_id)
    _say_all(rig)
    step.result(20)
    [request] = rig.puppet.requests
    assert (request.attempt, request.model) == (3, MODEL.name)
