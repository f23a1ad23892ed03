"""A step and an interrupt want the same row: whoever comes second finds what the first has done.

Both are held by the database, before the lock or at the COMMIT.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg
import pytest

from tests.journeys.barriers import AT_COMMIT, Ambush, held_commit, held_row, wait_for_waiting
from tests.journeys.fleet import Fleet
from tests.journeys.scene import CALLING, FAILING, PLAIN, open_scene
from tests.journeys.scripts import say, script, wait
from workers.failpoints import Failpoint

SILENT = script(wait(60), say("too late"))


@pytest.fixture
def fleet(doomed_fleet: Fleet) -> Fleet:
    with psycopg.connect(doomed_fleet.database_url, autocommit=True) as connection:
        connection.execute(AT_COMMIT)
    return doomed_fleet


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    """A thread whose requests wait."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.mark.parametrize("first", ["settle", "interrupt"])
def test_a_settling_and_an_interrupt_wait_for_the_same_lock(
    fleet: Fleet, ambush: Ambush, beside: ThreadPoolExecutor, first: str
) -> None:
    with open_scene(fleet) as scene:
        ambush.lay(Failpoint.SETTLING, scene.chat_id)
        turn_id, _ = scene.send(PLAIN)
        held = ambush.wait(fleet)
        scene.wait_until_said()
        with held_row(fleet, scene.chat_id):
            if first == "settle":
                held.go_on()
                wait_for_waiting(fleet, 1)
            interrupted = beside.submit(scene.interrupt)
            wait_for_waiting(fleet, 2 if first == "settle" else 1)
            if first == "interrupt":
                held.go_on()
                wait_for_waiting(fleet, 2)
        replay = scene.replay(turn_id)
        scene.check_kept(turn_id, said=True)
    settled = first == "settle"
    assert interrupted.result() == ("waiting" if settled else "interrupting")
    assert replay.ended_turns == [(turn_id, "finished" if settled else "interrupted")]


@pytest.mark.parametrize(
    ("change", "content", "status", "ended", "said"),
    [
        ("pending>running", SILENT, "interrupting", "interrupted", False),
        ("running>running", CALLING, "interrupting", "interrupted", True),
        ("running>pending", FAILING, "waiting", "interrupted", False),
        ("running>waiting", PLAIN, "waiting", "finished", True),
    ],
    ids=["begin", "commit calls", "record retry", "finish"],
)
def test_an_interrupt_waits_for_a_commit_of_the_step(
    fleet: Fleet,
    beside: ThreadPoolExecutor,
    change: str,
    content: str,
    status: str,
    ended: str,
    said: bool,
) -> None:
    with open_scene(fleet) as scene:
        with held_commit(fleet, change):
            turn_id, _ = scene.send(content)
            wait_for_waiting(fleet, 1)
            interrupted = beside.submit(scene.interrupt)
            wait_for_waiting(fleet, 2)
        replay = scene.replay(turn_id)
        scene.check_kept(turn_id, said=said, called=content is CALLING)
    assert interrupted.result() == status
    assert replay.ended_turns == [(turn_id, ended)]


def test_a_settling_waits_for_the_commit_of_an_interrupt(
    fleet: Fleet, ambush: Ambush, beside: ThreadPoolExecutor
) -> None:
    with open_scene(fleet) as scene:
        ambush.lay(Failpoint.SETTLING, scene.chat_id)
        turn_id, _ = scene.send(PLAIN)
        held = ambush.wait(fleet)
        with held_commit(fleet, "running>interrupting"):
            interrupted: Future[str] = beside.submit(scene.interrupt)
            wait_for_waiting(fleet, 1)
            held.go_on()
            wait_for_waiting(fleet, 2)
        replay = scene.replay(turn_id)
        scene.check_kept(turn_id, said=True)
    assert interrupted.result() == "interrupting"
    assert replay.ended_turns == [(turn_id, "interrupted")]


@pytest.mark.parametrize(
    ("change", "content", "ended", "said"),
    [
        ("running>waiting", PLAIN, "finished", True),
        pytest.param("pending>running", SILENT, "interrupted", False, marks=pytest.mark.slow),
        pytest.param("running>running", CALLING, "interrupted", True, marks=pytest.mark.slow),
        pytest.param("running>pending", FAILING, "interrupted", False, marks=pytest.mark.slow),
    ],
    ids=["finish", "begin", "commit calls", "record retry"],
)
def test_a_commit_counts_though_its_worker_has_died(
    fleet: Fleet, beside: ThreadPoolExecutor, change: str, content: str, ended: str, said: bool
) -> None:
    """PostgreSQL completes it; nobody hears of it, but for who looks."""
    with open_scene(fleet) as scene:
        with held_commit(fleet, change):
            turn_id, _ = scene.send(content)
            wait_for_waiting(fleet, 1)
            interrupted = beside.submit(scene.interrupt)
            wait_for_waiting(fleet, 2)
            for worker in fleet.workers:
                worker.kill()
        interrupted.result()
        fleet.start(apis=0, workers=2)
        replay = scene.replay(turn_id)
        scene.check_kept(turn_id, said=said, called=content is CALLING)
    assert replay.ended_turns == [(turn_id, ended)]
