"""Runs that are told to stop: what still counts, what is left behind, what does not begin."""

import asyncio
import threading
from threading import Event

from shared.chats.model.tool_runs import RunState
from shared.tools.context import ToolContext
from shared.tools.spec import tool
from tests.unit.tools.running import (
    GRACE_SECONDS,
    WAIT_SECONDS,
    Stage,
    armed,
    blocking,
    call_of,
    until,
)
from workers.failpoints import Failpoint
from workers.timers import TimerName
from workers.tools.runner import Runner


@tool
def add(x: int, y: int) -> int:
    """Add."""
    return x + y


def test_a_tool_that_listens_ends_in_its_grace() -> None:
    begun = Event()
    stage = Stage()

    @tool
    def nap(context: ToolContext) -> str:
        """Sleep until woken."""
        begun.set()
        return "woken" if context.wait(WAIT_SECONDS) else "rested"

    async def stop(runner: Runner) -> None:
        await until(begun)
        runner.stop(GRACE_SECONDS)

    ran = stage.run(call_of(nap), meanwhile=stop)
    assert ran.results[0].result == "woken"
    assert stage.ledger.ended == {0: RunState.DONE}


def test_an_asynchronous_tool_is_cancelled_where_it_waits() -> None:
    begun, cancelled = Event(), Event()
    stage = Stage()

    @tool
    async def wait() -> None:
        """Wait for ever."""
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def stop(runner: Runner) -> None:
        await until(begun)
        runner.stop(GRACE_SECONDS)

    ran = stage.run(call_of(wait), meanwhile=stop)
    assert cancelled.is_set()
    assert ran.results == {}
    # It stays claimed: whether it had an effect is not known.
    assert (stage.ledger.claimed, stage.ledger.ended) == ([0], {})


def test_a_tool_that_does_not_listen_is_left_behind_after_the_grace() -> None:
    begun, go = Event(), Event()
    stage = Stage()

    async def stop(runner: Runner) -> None:
        await until(begun)
        await armed(stage, TimerName.TOOL)
        runner.stop(GRACE_SECONDS)
        for timer in stage.timers.running:
            if timer.name is TimerName.GRACE:
                assert timer.seconds == GRACE_SECONDS
                timer.callback()

    ran = stage.run(call_of(add, 0, x=1, y=1), call_of(blocking(begun, go), 1), meanwhile=stop)
    go.set()
    assert ran.results[0].result == 2
    assert 1 not in ran.results
    assert 1 not in stage.ledger.ended


def test_what_has_ended_counts_though_the_ledger_is_away() -> None:
    begun = Event()
    stage = Stage()
    stage.ledger.recording = Event()

    @tool
    def quick() -> str:
        """Be quick."""
        begun.set()
        return "done"

    async def stop(runner: Runner) -> None:
        await until(begun)
        # The result is decided just before it is recorded.
        while any(run.result is None for run in runner.runs):
            await asyncio.sleep(0)
        runner.stop(GRACE_SECONDS)
        [grace] = [one for one in stage.timers.running if one.name is TimerName.GRACE]
        grace.callback()

    ran = stage.run(call_of(quick), meanwhile=stop)
    stage.ledger.recording.set()
    assert ran.results[0].result == "done"
    assert stage.shown == [0]


def test_nothing_is_started_after_a_stop() -> None:
    begun, go = Event(), Event()
    stage = Stage(slots=1)

    async def stop(runner: Runner) -> None:
        await until(begun)
        runner.stop(0.0)

    ran = stage.run(call_of(blocking(begun, go), 0), call_of(add, 1, x=1, y=1), meanwhile=stop)
    go.set()
    assert ran.results == {}
    assert stage.ledger.claimed == [0]


def test_a_call_whose_claim_outlasts_its_step_is_not_run() -> None:
    claiming, go, effects = Event(), Event(), list[str]()
    stage = Stage()
    stage.ledger.claiming = go

    def reached(point: Failpoint) -> None:
        if point is Failpoint.CLAIMING:
            claiming.set()

    stage.reached = reached

    @tool
    def act() -> None:
        """Have an effect."""
        effects.append("one")

    async def stop(runner: Runner) -> None:
        await until(claiming)
        [thread] = [one for one in threading.enumerate() if one.name == "tool-act"]
        runner.stop(0.0)
        while not runner.runs[0].given_up:
            await asyncio.sleep(0)
        go.set()
        await asyncio.to_thread(thread.join, WAIT_SECONDS)

    assert stage.run(call_of(act), meanwhile=stop).results == {}
    assert (stage.ledger.claimed, effects) == ([0], [])


def test_a_call_whose_thread_comes_after_the_stop_is_not_claimed() -> None:
    claiming, go = Event(), Event()

    def reached(point: Failpoint) -> None:
        if point is Failpoint.CLAIMING:
            claiming.set()
            assert go.wait(WAIT_SECONDS)

    stage = Stage(reached=reached)

    async def stop(runner: Runner) -> None:
        await until(claiming)
        runner.stop(GRACE_SECONDS)
        go.set()

    ran = stage.run(call_of(add, 0, x=1, y=1), meanwhile=stop)
    assert ran.results == {}
    assert stage.ledger.claimed == []
