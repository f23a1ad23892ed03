"""Calls run side by side, in threads that can be left behind."""

import asyncio
import threading
from collections.abc import Iterator
from threading import Event

import pytest

from shared.chats.model.errors import ChatNotFound, StaleFence, StepStopped, WorkerDead
from shared.chats.model.tool_runs import RunState
from shared.chats.moves.open_calls import error_result
from shared.tools.context import ToolContext
from shared.tools.spec import ToolError, tool
from tests.unit.steps.ending import NOW
from tests.unit.tools.running import (
    ABOUT,
    LIMIT_SECONDS,
    WAIT_SECONDS,
    Stage,
    armed,
    blocking,
    call_of,
    until,
)
from workers.timers import TimerName
from workers.tools.runner import Runner


@tool
def add(x: int, y: int) -> int:
    """Add."""
    return x + y


def test_a_call_is_claimed_run_recorded_and_shown() -> None:
    stage = Stage()
    ran = stage.run(call_of(add, 3, x=1, y=2))
    result = ran.results[3]
    assert (result.result, result.is_error, result.created_at) == (3, False, NOW)
    assert (result.tool_call_id, result.tool_name) == ("c3", "add")
    assert (stage.ledger.claimed, stage.ledger.ended) == ([3], {3: RunState.DONE})
    assert stage.shown == [3]
    assert not ran.lost
    assert stage.timers.armed == []


def test_calls_run_side_by_side() -> None:
    barrier = threading.Barrier(3)

    @tool
    def meet() -> int:
        """Wait for the others."""
        return barrier.wait(WAIT_SECONDS)

    ran = Stage().run(*(call_of(meet, n) for n in range(3)))
    assert sorted(str(part.result) for part in ran.results.values()) == ["0", "1", "2"]


def test_no_more_run_at_a_time_than_there_are_slots() -> None:
    going, most, lock = [0], [0], threading.Lock()

    @tool
    def count() -> None:
        """Count who is here."""
        with lock:
            going[0] += 1
            most[0] = max(most[0], going[0])
        with lock:
            going[0] -= 1

    stage = Stage(slots=1)
    assert len(stage.run(*(call_of(count, n) for n in range(20))).results) == 20
    assert most == [1]


def test_a_result_that_the_ledger_has_is_not_made_again() -> None:
    stage = Stage()
    call = call_of(add, 0, x=1, y=2)
    stage.ledger.known[0] = error_result(call.asked, "known", NOW)
    assert stage.run(call).results[0].result == "known"
    assert stage.ledger.ended == {}


def test_an_asynchronous_tool_runs_on_a_loop_of_its_own() -> None:
    @tool
    async def where() -> str:
        """Say in which thread it is."""
        await asyncio.sleep(0)
        return threading.current_thread().name

    assert Stage().run(call_of(where)).results[0].result == "tool-where"


def test_a_tool_is_told_of_its_call() -> None:
    told: list[ToolContext] = []

    @tool
    def listen(context: ToolContext) -> None:
        """Listen."""
        told.append(context)

    Stage().run(call_of(listen, 5))
    [context] = told
    assert (context.chat_id, context.turn_id) == (ABOUT.chat_id, ABOUT.turn_id)
    assert (context.owner, context.labels) == ("ann", {"team": "red"})
    assert context.idempotency_key == f"{ABOUT.chat_id}/7/5"
    assert (context.deadline - NOW).total_seconds() == LIMIT_SECONDS
    assert not context.cancelled


def test_what_an_author_says_is_said_and_what_happened_is_not() -> None:
    @tool
    def complain() -> None:
        """Complain."""
        raise ToolError("No room.")

    @tool
    def fail() -> None:
        """Fail."""
        raise RuntimeError("a secret")

    @tool
    def leave() -> None:
        """Leave."""
        raise SystemExit(1)

    @tool
    def yield_some() -> Iterator[int]:
        """Fail when it is listened to."""
        yield 1
        raise RuntimeError("a secret")

    calls = [call_of(made, n) for n, made in enumerate((complain, fail, leave, yield_some))]
    ran = Stage().run(*calls)
    assert all(part.is_error for part in ran.results.values())
    assert [ran.results[n].result for n in range(4)] == [
        "No room.",
        "The tool failed: RuntimeError.",
        "The tool failed: SystemExit.",
        "The tool failed: RuntimeError.",
    ]


def test_a_long_result_is_cut_to_the_model() -> None:
    @tool
    def talk() -> str:
        """Talk."""
        return "x" * 100_000

    result = Stage().run(call_of(talk)).results[0].result
    assert isinstance(result, str)
    assert len(result) <= 16 * 1024


def test_a_tool_whose_time_is_over_is_given_up() -> None:
    begun, go = Event(), Event()
    stage = Stage()

    async def let_it_pass(runner: Runner) -> None:
        del runner
        await until(begun)
        await armed(stage, TimerName.TOOL)
        stage.timers.fire(LIMIT_SECONDS)

    ran = stage.run(call_of(blocking(begun, go)), meanwhile=let_it_pass)
    go.set()
    [result] = ran.results.values()
    assert result.is_error
    assert "within 120 s" in str(result.result)
    assert stage.ledger.ended == {0: RunState.UNKNOWN}


def test_what_comes_too_late_is_not_written() -> None:
    begun, go, ended = Event(), Event(), Event()
    stage = Stage()

    @tool(timeout_seconds=3)
    def dawdle(context: ToolContext) -> str:
        """Come too late."""
        begun.set()
        assert go.wait(WAIT_SECONDS)
        assert context.cancelled
        ended.set()
        return "too late"

    async def let_it_pass(runner: Runner) -> None:
        del runner
        await until(begun)
        await armed(stage, TimerName.TOOL)
        stage.timers.fire(3)

    ran = stage.run(call_of(dawdle), meanwhile=let_it_pass)
    go.set()
    assert ended.wait(WAIT_SECONDS)
    assert "within 3 s" in str(ran.results[0].result)
    assert stage.ledger.ended == {0: RunState.UNKNOWN}


def test_a_tool_that_ends_because_its_time_is_over_is_too_late_all_the_same() -> None:
    begun = Event()
    stage = Stage()

    @tool
    def nap(context: ToolContext) -> str:
        """Sleep until woken."""
        begun.set()
        return "woken" if context.wait(WAIT_SECONDS) else "rested"

    async def let_it_pass(runner: Runner) -> None:
        del runner
        await until(begun)
        await armed(stage, TimerName.TOOL)
        [thread] = [one for one in threading.enumerate() if one.name == "tool-nap"]
        stage.timers.fire(LIMIT_SECONDS)
        # It ends before the loop looks at anything again.
        thread.join(WAIT_SECONDS)

    ran = stage.run(call_of(nap), meanwhile=let_it_pass)
    assert "within 120 s" in str(ran.results[0].result)
    assert stage.ledger.ended == {0: RunState.UNKNOWN}


@pytest.mark.parametrize("error", [StaleFence(), ChatNotFound(), WorkerDead()])
def test_a_step_that_lost_its_chat_leaves_at_once(error: Exception) -> None:
    stage = Stage()
    stage.ledger.claim_error = error
    ran = stage.run(call_of(add, 0, x=1, y=1))
    assert ran.lost
    assert ran.results == {}


def test_a_fence_that_falls_while_a_tool_runs_is_noticed() -> None:
    stage = Stage()
    stage.ledger.record_error = StaleFence()
    assert stage.run(call_of(add, 0, x=1, y=1)).lost


def test_a_claim_of_a_stopped_step_stops_the_others() -> None:
    stage = Stage()
    stage.ledger.claim_error = StepStopped()
    ran = stage.run(call_of(add, 0, x=1, y=1))
    assert (ran.results, ran.lost) == ({}, False)


def test_a_ledger_that_fails_is_a_failure() -> None:
    stage = Stage()
    stage.ledger.claim_error = RuntimeError("a defect")
    with pytest.raises(RuntimeError, match="a defect"):
        stage.run(call_of(add, 0, x=1, y=1))
