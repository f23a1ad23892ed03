"""Claims and results of calls: under the fence, with the worker alive, and never twice."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from shared.chats.machine.change import Change
from shared.chats.model.errors import StaleFence, StepStopped, WorkerDead
from shared.chats.model.ids import ChatId, LeaseId, WorkerId
from shared.chats.model.lease import Fence
from shared.chats.model.messages import NewMessage, Role
from shared.chats.model.parts import TextPart, ToolCallPart, ToolResultPart
from shared.chats.model.statuses import BusyBehavior, Move, Status, TurnStatus
from shared.chats.model.timing import Spans
from shared.chats.model.tool_runs import RunKey, RunState
from shared.chats.moves.callers.edit import edit
from shared.chats.moves.callers.interrupt_retry import interrupt, retry
from shared.chats.moves.callers.send import send
from shared.chats.moves.open_calls import NOT_RUN, OUTCOME_UNKNOWN
from shared.chats.moves.workers.claim_tool import Claimed, Known, claim, record_run
from shared.chats.moves.workers.commit_calls import Commitment, Committed, commit_calls
from shared.chats.moves.workers.recover import recover_interrupting, recover_running
from shared.chats.moves.workers.settle import More, RequireAction, Settlement, Stopped
from tests.chats import Bench, answer, call_row, open_bench, register_worker, said

CALLS = ("a", "b", "c")
SPANS = Spans(provider=0.001)


@dataclass(frozen=True, slots=True, kw_only=True)
class Committing:
    """A step whose calls stand in the history."""

    bench: Bench
    chat_id: ChatId
    before: Fence
    at: Committed

    def key(self, index: int = 0) -> RunKey:
        return RunKey(chat_id=self.chat_id, message_id=self.at.message_id, index=index)

    def claim(
        self,
        index: int = 0,
        *,
        fence: Fence | None = None,
        worker_id: WorkerId | None = None,
        rerun: bool = False,
    ) -> Claimed | Known:
        used = fence or self.at.fence
        with self.bench.machine.begin(self.chat_id, worker_id or self.bench.worker_id) as change:
            return claim(change, used, self.key(index), _call(index), rerun=rerun)

    def record(self, index: int, *, fence: Fence | None = None) -> None:
        used = fence or self.at.fence
        self.bench.machine.update(
            self.chat_id,
            lambda change: record_run(change, used, self.key(index), _result(index), RunState.DONE),
        )

    def states(self) -> list[tuple[int, str, int]]:
        with self.bench.engine.connect() as connection:
            rows = connection.execute(
                text("SELECT call_index, state, runs FROM tool_runs ORDER BY call_index")
            )
            return [(row.call_index, row.state, row.runs) for row in rows]

    def results(self) -> dict[str, tuple[object, bool]]:
        return {
            part.tool_call_id: (part.result, part.is_error)
            for row in self.bench.history(self.chat_id)
            for part in row.content
            if isinstance(part, ToolResultPart)
        }

    def update(self, move: Callable[[Change], object]) -> None:
        self.bench.machine.update(self.chat_id, move)


def _call(index: int) -> ToolCallPart:
    return ToolCallPart(tool_call_id=CALLS[index], tool_name="look", args={"n": index})


def _result(index: int) -> ToolResultPart:
    return ToolResultPart(tool_call_id=CALLS[index], tool_name="look", result=f"found {index}")


def _commit(bench: Bench, chat_id: ChatId, fence: Fence) -> Committed | Settlement:
    turn_id = bench.chat(chat_id).current_turn_id
    commitment = Commitment(
        answer=call_row(turn_id, *CALLS),
        if_stopped=(answer("kept", turn_id=turn_id),),
        spans=SPANS,
    )
    return bench.machine.update(
        chat_id, lambda change: commit_calls(change, fence, commitment)
    ).value


@pytest.fixture
def step(bench: Bench) -> Committing:
    chat_id = bench.start()
    fence = bench.begin(chat_id).fence
    at = _commit(bench, chat_id, fence)
    assert isinstance(at, Committed)
    return Committing(bench=bench, chat_id=chat_id, before=fence, at=at)


def test_committing_calls_keeps_the_lease_and_starts_an_episode(step: Committing) -> None:
    chat = step.bench.chat(step.chat_id)
    assert chat.status is Status.RUNNING
    assert chat.lease_id == step.before.lease_id == step.at.fence.lease_id
    assert chat.history_version == step.at.fence.history_version > step.before.history_version
    assert chat.episode == step.at.episode
    assert chat.generation_attempt == 0
    assert step.bench.history(step.chat_id)[-1].id == step.at.message_id


def test_committing_calls_books_the_time_until_then(step: Committing) -> None:
    chat = step.bench.chat(step.chat_id)
    assert chat.turn_time.provider == pytest.approx(SPANS.provider)
    assert chat.turn_time.commit > 0
    step.update(lambda change: recover_running(change, step.at.fence))
    after = step.bench.chat(step.chat_id)
    assert after.turn_time == replace(chat.turn_time, tools=after.turn_time.tools)
    assert after.turn_time.tools > 0


def test_a_commit_whose_answer_was_lost_finds_its_own_rows(step: Committing) -> None:
    before = step.bench.rows(step.chat_id)
    assert _commit(step.bench, step.chat_id, step.before) == step.at
    assert step.bench.rows(step.chat_id) == before


def test_a_commit_of_a_stopped_step_ends_it_with_what_is_kept(bench: Bench) -> None:
    chat_id = bench.start()
    fence = bench.begin(chat_id).fence
    turn_id = bench.chat(chat_id).current_turn_id
    assert turn_id is not None
    bench.machine.update(chat_id, partial(interrupt, clear_queue=False))
    settled = _commit(bench, chat_id, fence)
    assert settled == Settlement(move=Move.FINISH_INTERRUPTION)
    assert bench.history(chat_id)[-1].content == (TextPart(text="kept"),)
    assert bench.turn(chat_id, turn_id).status is TurnStatus.INTERRUPTED


def test_a_commit_without_its_lease_writes_nothing(bench: Bench) -> None:
    chat_id = bench.start()
    fence = bench.begin(chat_id).fence
    bench.machine.update(chat_id, lambda change: recover_running(change, fence))
    bench.begin(chat_id)
    with pytest.raises(StaleFence):
        _commit(bench, chat_id, fence)
    assert len(bench.history(chat_id)) == 1


def test_a_call_is_claimed_once_and_its_result_stays(step: Committing) -> None:
    assert step.claim(1) == Claimed()
    # Once more in the same lease: the COMMIT was answered too late.
    assert step.claim(1) == Claimed()
    step.record(1)
    assert step.states() == [(1, "done", 1)]
    assert step.claim(1) == Known(result=_result(1))
    assert step.states() == [(1, "done", 1)]


def test_a_claim_changes_nothing_of_the_chat(step: Committing) -> None:
    before = step.bench.rows(step.chat_id)
    step.bench.recorder.hints.clear()
    step.claim()
    step.record(0)
    assert step.bench.rows(step.chat_id) == before
    assert step.bench.recorder.hints == []


def test_a_claim_needs_the_fence(step: Committing) -> None:
    for fence in (step.before, replace(step.at.fence, lease_id=LeaseId(uuid7()))):
        with pytest.raises(StaleFence):
            step.claim(fence=fence)
        with pytest.raises(StaleFence):
            step.record(0, fence=fence)
    assert step.states() == []


def test_a_claim_needs_a_step_that_runs(step: Committing) -> None:
    step.claim(1)
    step.update(partial(interrupt, clear_queue=False))
    with pytest.raises(StepStopped):
        step.claim(0)
    # What was started may still say how it ended.
    step.record(1)
    assert step.states() == [(1, "done", 1)]


def test_a_claim_needs_a_worker_that_lives(step: Committing) -> None:
    dead = register_worker(step.bench.engine, pid=99)
    step.bench.execute("UPDATE workers SET dead_at = now() WHERE id = :id", id=dead)
    for worker_id in (dead, WorkerId(uuid7())):
        with pytest.raises(WorkerDead):
            step.claim(worker_id=worker_id)
    assert step.states() == []


def _next_worker(step: Committing) -> Committing:
    """Let the worker die and another one begin."""
    step.update(lambda change: recover_running(change, step.at.fence))
    bench = open_bench(step.bench.engine)
    begun = bench.begin(step.chat_id)
    return replace(step, bench=bench, at=replace(step.at, fence=begun.fence))


def test_a_begin_finds_the_open_calls_and_what_the_ledger_has(step: Committing) -> None:
    step.claim(0)
    step.claim(1)
    step.record(1)
    step.update(lambda change: recover_running(change, step.at.fence))
    begun = open_bench(step.bench.engine).begin(step.chat_id)
    assert [(one.message_id, one.index) for one in begun.waiting] == [
        (step.at.message_id, n) for n in range(3)
    ]
    assert {key.index: run.state for key, run in begun.runs.items()} == {
        0: RunState.CLAIMED,
        1: RunState.DONE,
    }


def test_a_claim_of_a_lost_worker_is_unknown_for_ever(step: Committing) -> None:
    step.claim()
    after = _next_worker(step)
    unknown = after.claim()
    assert isinstance(unknown, Known)
    assert (unknown.result.result, unknown.result.is_error) == (OUTCOME_UNKNOWN, True)
    assert after.claim(rerun=True) == unknown
    assert after.states() == [(0, "unknown", 1)]


def test_a_claim_of_a_lost_worker_may_be_taken_over(step: Committing) -> None:
    step.claim(rerun=True)
    after = _next_worker(step)
    assert after.claim(rerun=True) == Claimed()
    after.record(0)
    assert after.states() == [(0, "done", 2)]


def test_a_lost_worker_that_comes_back_records_nothing(step: Committing) -> None:
    step.claim(rerun=True)
    after = _next_worker(step)
    after.claim(rerun=True)
    with pytest.raises(StaleFence):
        step.record(0)
    assert after.states() == [(0, "claimed", 2)]


@pytest.mark.parametrize("how", ["interrupt", "recover", "send"])
def test_a_turn_that_ends_is_answered_from_the_ledger(step: Committing, how: str) -> None:
    step.claim(0)
    step.claim(1)
    step.record(1)
    if how == "send":
        # Between two workers, a person is faster than the next one.
        step.update(lambda change: recover_running(change, step.at.fence))
        step.update(lambda change: send(change, said("stop"), BusyBehavior.INTERRUPT))
    else:
        step.update(partial(interrupt, clear_queue=False))
        move = (
            partial(recover_interrupting, fence=step.at.fence, partial=())
            if how == "recover"
            else None
        )
        if move is None:
            step.bench.settle(step.chat_id, step.at.fence, Stopped())
        else:
            step.update(move)
    assert step.results() == {
        "a": (OUTCOME_UNKNOWN, True),
        "b": ("found 1", False),
        "c": (NOT_RUN, True),
    }
    assert step.states() == [(0, "unknown", 1), (1, "done", 1)]
    roles = [row.role for row in step.bench.history(step.chat_id)]
    assert roles[:3] == [Role.USER, Role.ASSISTANT, Role.TOOL]


def test_a_turn_that_is_edited_away_takes_its_claims_along(step: Committing) -> None:
    step.claim()
    [first, *_] = step.bench.history(step.chat_id)
    step.update(lambda change: edit(change, first.id, (TextPart(text="instead"),)))
    for act in (lambda: step.claim(1), lambda: step.record(0)):
        with pytest.raises(StaleFence):
            act()
    assert step.results() == {}
    assert step.bench.begin(step.chat_id).waiting == ()


def test_the_ledger_goes_with_its_chat(step: Committing) -> None:
    step.claim()
    step.bench.machine.delete(step.chat_id)
    assert step.states() == []


def test_a_turn_that_is_given_up_leaves_no_call_open(step: Committing) -> None:
    step.claim(0)
    step.update(lambda change: recover_running(change, step.at.fence))
    step.bench.execute("UPDATE chats SET losses = 25")
    step.bench.deliver(step.chat_id)
    assert step.bench.chat(step.chat_id).status is Status.ERROR
    assert step.results()["a"] == (OUTCOME_UNKNOWN, True)
    step.update(retry)
    assert step.bench.begin(step.chat_id).waiting == ()


def test_the_deadlines_come_from_the_tool_the_chat_and_the_setting(bench: Bench) -> None:
    for chat_seconds, expected in ((None, 300.0), (60, 60.0)):
        chat_id = bench.start(requires_action_timeout_seconds=chat_seconds)
        fence = bench.begin(chat_id).fence
        turn_id = bench.chat(chat_id).current_turn_id
        row = call_row(turn_id, "a")
        calls = tuple(part for part in row.content if isinstance(part, ToolCallPart))
        bench.settle(chat_id, fence, RequireAction(rows=(row,), calls=calls))
        chat = bench.chat(chat_id)
        [pending] = chat.pending_calls
        assert (pending.deadline_at - chat.updated_at).total_seconds() == expected
        assert chat.requires_action_deadline_at == pending.deadline_at


def test_more_leaves_nothing_open(step: Committing) -> None:
    content = tuple(_result(n) for n in range(3))
    row = NewMessage(
        role=Role.TOOL,
        content=content,
        turn_id=step.bench.chat(step.chat_id).current_turn_id,
    )
    step.bench.settle(step.chat_id, step.at.fence, More(rows=(row,)))
    assert step.bench.begin(step.chat_id).waiting == ()
