"""Workers die at every named point of a tool call's way: no effect is there twice, turns end."""

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.barriers import Ambush
from tests.journeys.fleet import Fleet, eventually
from tests.journeys.scripts import say, script
from tests.journeys.tooling import (
    TELL,
    call,
    calls,
    check_paired,
    check_times,
    lines,
    results_of,
    wait_for_lines,
)
from workers.failpoints import Failpoint

ON_THE_WAY = [
    point for point in Failpoint if point not in (Failpoint.RETRIED, Failpoint.RECOVERING)
]
IN_TIME = {**TELL, "timeout_seconds": 0.4, "default_result": "nobody there"}


@pytest.fixture
def fleet(doomed_fleet: Fleet) -> Fleet:
    return doomed_fleet


def _wait_for_death(fleet: Fleet) -> None:
    ended = eventually(
        lambda: [worker for worker in fleet.workers if not worker.alive()], "a worker died"
    )
    assert [worker.popen.returncode for worker in ended] == [-signal.SIGKILL], fleet.logs()


def _end_of(fleet: Fleet, chat: dict[str, Any]) -> dict[str, Any]:
    """Wait for the end of the turn, through its pause."""

    def ended() -> dict[str, Any] | None:
        turn = fleet.turn(chat["id"], chat["turn_id"])
        return None if turn["status"] == "requires_action" else turn

    turn = eventually(ended, "the turn has ended", seconds=30)
    check_times(turn)
    return turn


def _ledger(fleet: Fleet, chat_id: str) -> dict[str, tuple[str, int]]:
    statement = "SELECT tool, state, runs FROM tool_runs WHERE chat_id = %(id)s"
    return {tool: (state, runs) for tool, state, runs in fleet.rows(statement, id=chat_id)}


@pytest.mark.parametrize("point", ON_THE_WAY)
def test_a_worker_dies_at_a_named_point(
    fleet: Fleet, doom: Path, tmp_path: Path, point: Failpoint
) -> None:
    once, again = tmp_path / "once", tmp_path / "again"
    content = calls(
        call("count", "c1", trace=str(once)),
        call("count_again", "c2", trace=str(again)),
        call("tell", "c3"),
    )
    doom.write_text(point)
    chat = fleet.new_chat(content, dynamic_tools=[IN_TIME])
    _wait_for_death(fleet)
    assert not doom.exists()
    turn = _end_of(fleet, chat)
    assert turn["status"] == "finished", (turn, fleet.logs())
    check_paired(fleet, chat["id"])

    results = {part["tool_call_id"]: part for part in results_of(fleet, chat["id"])}
    assert results["c3"]["result"] == "nobody there"
    state, runs = _ledger(fleet, chat["id"])["count"]
    assert runs == 1
    if state == "done":
        assert results["c1"]["result"] == 1
        assert len(lines(once)) == 1
    else:
        assert (state, results["c1"]["is_error"]) == ("unknown", True)
        assert results["c1"]["result"].startswith("Outcome unknown")
        assert len(lines(once)) <= 1
    state, runs = _ledger(fleet, chat["id"])["count_again"]
    assert (state, results["c2"]["result"]) == ("done", "counted")
    # A claim whose tool had not begun is one more in the ledger than in the file.
    assert runs - 1 <= len(lines(again)) <= runs <= 2
    assert len({*lines(again)}) == 1


@pytest.mark.parametrize("point", [Failpoint.CLAIMED, Failpoint.RAN])
def test_a_tool_that_may_run_again_does(
    fleet: Fleet, doom: Path, tmp_path: Path, point: Failpoint
) -> None:
    trace = tmp_path / "trace"
    doom.write_text(point)
    chat = fleet.new_chat(calls(call("count_again", "c1", trace=str(trace))))
    _wait_for_death(fleet)
    assert _end_of(fleet, chat)["status"] == "finished"
    assert _ledger(fleet, chat["id"]) == {"count_again": ("done", 2)}
    assert len(lines(trace)) == (1 if point is Failpoint.CLAIMED else 2)
    [part] = results_of(fleet, chat["id"])
    assert part["result"] == "counted"


@pytest.mark.parametrize("point", [Failpoint.CLAIMED, Failpoint.RAN])
def test_a_tool_that_may_not_run_again_does_not(
    fleet: Fleet, doom: Path, tmp_path: Path, point: Failpoint
) -> None:
    trace = tmp_path / "trace"
    doom.write_text(point)
    chat = fleet.new_chat(calls(call("count", "c1", trace=str(trace))))
    _wait_for_death(fleet)
    assert _end_of(fleet, chat)["status"] == "finished"
    assert _ledger(fleet, chat["id"]) == {"count": ("unknown", 1)}
    assert len(lines(trace)) == (0 if point is Failpoint.CLAIMED else 1)
    [part] = results_of(fleet, chat["id"])
    assert part["result"].startswith("Outcome unknown")


@pytest.mark.parametrize(
    ("point", "effects", "says"),
    [
        pytest.param(Failpoint.CLAIMED, 0, "Outcome unknown", marks=pytest.mark.slow),
        (Failpoint.RAN, 1, "Outcome unknown"),
        pytest.param(Failpoint.RECORDED, 1, "1", marks=pytest.mark.slow),
    ],
)
def test_a_tool_run_is_stopped_by_a_person_and_then_its_worker_dies(
    fleet: Fleet, ambush: Ambush, tmp_path: Path, point: Failpoint, effects: int, says: str
) -> None:
    trace = tmp_path / "trace"
    chat = fleet.new_chat(script(say("first")))
    assert _end_of(fleet, chat)["status"] == "finished"
    ambush.lay(point, chat["id"])
    sent = fleet.send(chat["id"], calls(call("count", "c1", trace=str(trace)), call("tell", "c2")))
    held = ambush.wait(fleet)
    new = fleet.send(chat["id"], script(say("new")), busy_behavior="interrupt")
    assert new["status"] == "interrupting"
    held.die()
    stopped = _end_of(fleet, {**chat, "turn_id": sent["turn_id"]})
    assert stopped["status"] == "interrupted"
    assert stopped["time"]["tools"] > 0
    assert _end_of(fleet, {**chat, "turn_id": new["turn_id"]})["status"] == "finished"
    check_paired(fleet, chat["id"])
    counted, told = results_of(fleet, chat["id"])
    assert str(counted["result"]).startswith(says)
    assert told["is_error"]
    assert len(lines(trace)) == effects


def test_the_model_is_asked_once_though_the_worker_dies(fleet: Fleet, doom: Path) -> None:
    doom.write_text(Failpoint.COMMITTED)
    chat = fleet.new_chat(calls(call("add", "c1", x=1, y=1)))
    _wait_for_death(fleet)
    turn = _end_of(fleet, chat)
    assert (turn["status"], turn["steps"]) == ("finished", 2)
    asked = [message for message in fleet.transcript(chat["id"]) if message["role"] == "assistant"]
    assert len(asked) == 2
    [part] = results_of(fleet, chat["id"])
    assert part["result"] == 2


def test_a_worker_is_killed_in_the_middle_of_a_tool(fleet: Fleet, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    made = call("count_slowly", "c1", trace=str(trace))
    chat = fleet.new_chat(calls(made, call("add", "c2", x=1, y=1)))
    wait_for_lines(trace)
    eventually(lambda: _ledger(fleet, chat["id"]).get("add") == ("done", 1), "one is done")
    fleet.holder(chat["id"]).kill()
    turn = _end_of(fleet, chat)
    assert turn["status"] == "finished"
    assert turn["time"]["tools"] > turn["time"]["provider"]
    assert len(lines(trace)) == 1
    unknown, two = results_of(fleet, chat["id"])
    assert unknown["result"].startswith("Outcome unknown")
    assert two["result"] == 2


def test_an_interruption_is_finished_for_a_worker_that_died_in_a_tool(
    fleet: Fleet, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    made = call("count_slowly", "c1", trace=str(trace))
    chat = fleet.new_chat(calls(made, call("add", "c2", x=1, y=1)))
    wait_for_lines(trace)
    eventually(lambda: _ledger(fleet, chat["id"]).get("add") == ("done", 1), "one is done")
    holder = fleet.holder(chat["id"])
    holder.signal(signal.SIGSTOP)
    fleet.ask("POST", f"/v1/chats/{chat['id']}/interrupt", {})
    turn = _end_of(fleet, chat)
    holder.kill()
    assert turn["status"] == "interrupted"
    check_paired(fleet, chat["id"])
    unknown, two = results_of(fleet, chat["id"])
    assert unknown["result"].startswith("Outcome unknown")
    assert two["result"] == 2


def test_a_drained_worker_leaves_no_tool_to_run_twice(fleet: Fleet, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    chat = fleet.new_chat(calls(call("count_slowly", "c1", trace=str(trace))))
    wait_for_lines(trace)
    drained = fleet.holder(chat["id"])
    drained.signal(signal.SIGTERM)
    assert drained.popen.wait(30) == 0
    assert _end_of(fleet, chat)["status"] == "finished"
    assert len(lines(trace)) == 1
    [(losses,)] = fleet.rows("SELECT losses FROM chats WHERE id = %(id)s", id=chat["id"])
    assert losses == 0
