"""People and deaths come between at every point of a tool call's way: the turn ends once, whole."""

from functools import partial
from typing import Final

import pytest
from sqlalchemy import text

from shared.chats.model.errors import ChatNotFound
from shared.chats.model.lease import Fence
from shared.chats.model.messages import Role
from shared.chats.model.parts import TextPart
from shared.chats.model.statuses import BusyBehavior, Status, TurnStatus
from shared.chats.moves.callers.edit import edit
from shared.chats.moves.callers.interrupt_retry import interrupt
from shared.chats.moves.callers.send import send
from shared.chats.moves.open_calls import open_calls
from shared.chats.moves.workers.recover import recover_running
from shared.chats.reads.chats import find_chat
from tests.chats import said
from tests.integration.tools.scene import Scene, open_scene
from tests.integration.workers.rig import Rig
from workers.failpoints import Failpoint
from workers.leases.registry import CancelReason
from workers.steps.outcome import Settled, Stale
from workers.worker_metrics import Stage

POINTS: Final = (
    Failpoint.ANSWERED,
    Failpoint.COMMITTED,
    Failpoint.CLAIMING,
    Failpoint.CLAIMED,
    Failpoint.RAN,
    Failpoint.RECORDED,
    Failpoint.SETTLING,
)
"""All but those after the end of the step, and those of deadlines."""


@pytest.fixture
def scene(rig: Rig) -> Scene:
    return open_scene(rig)


@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
@pytest.mark.parametrize("point", POINTS)
def test_an_interruption_keeps_what_is_there(scene: Scene, point: Failpoint, told: bool) -> None:
    bench = scene.rig.bench

    def act() -> None:
        bench.machine.update(scene.chat_id, partial(interrupt, clear_queue=False))
        if told:
            scene.hint(CancelReason.INTERRUPTED)

    assert scene.play(point, act) == Settled()
    assert bench.chat(scene.chat_id).status is Status.WAITING
    assert bench.turn(scene.chat_id, scene.turn_id).status is TurnStatus.INTERRUPTED
    assert [row.role for row in scene.history()][:2] == [Role.USER, Role.ASSISTANT]
    assert open_calls(scene.history()) == []
    assert set(scene.results()) == {"c0", "c1"}
    scene.check_effects()


@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
@pytest.mark.parametrize("point", POINTS)
def test_a_message_that_interrupts_stands_behind_the_results(
    scene: Scene, point: Failpoint, told: bool
) -> None:
    bench = scene.rig.bench

    def act() -> None:
        bench.machine.update(
            scene.chat_id, lambda change: send(change, said("new"), BusyBehavior.INTERRUPT)
        )
        if told:
            scene.hint(CancelReason.INTERRUPTED)

    assert scene.play(point, act) == Settled()
    assert bench.chat(scene.chat_id).status is Status.PENDING
    assert bench.turn(scene.chat_id, scene.turn_id).status is TurnStatus.INTERRUPTED
    *before, last = scene.history()
    assert last.content == (TextPart(text="new"),)
    assert open_calls(before) == []
    scene.check_effects()


@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
@pytest.mark.parametrize("point", POINTS)
def test_an_edit_leaves_nothing_of_it(scene: Scene, point: Failpoint, told: bool) -> None:
    bench = scene.rig.bench
    [first] = scene.history()

    def act() -> None:
        bench.machine.update(
            scene.chat_id, lambda change: edit(change, first.id, (TextPart(text="new"),))
        )
        if told:
            scene.hint(CancelReason.FENCED)

    assert scene.play(point, act) == Stale()
    assert bench.chat(scene.chat_id).status is Status.PENDING
    [only] = scene.history()
    assert only.content == (TextPart(text="new"),)
    assert len(scene.effects) == len({*scene.effects})


@pytest.mark.parametrize("point", POINTS)
def test_a_chat_that_is_deleted_is_gone_with_its_ledger(scene: Scene, point: Failpoint) -> None:
    bench = scene.rig.bench
    assert scene.play(point, lambda: bench.machine.delete(scene.chat_id)) == Stale()
    with bench.engine.connect() as connection:
        assert find_chat(connection, scene.chat_id) is None
        assert connection.execute(text("SELECT count(*) FROM tool_runs")).scalar_one() == 0
    with pytest.raises(ChatNotFound):
        bench.machine.update(scene.chat_id, partial(interrupt, clear_queue=False))


@pytest.mark.parametrize("point", POINTS)
def test_a_drained_worker_gives_back_what_it_has_not_done(scene: Scene, point: Failpoint) -> None:
    bench = scene.rig.bench
    assert scene.play(point, lambda: scene.hint(CancelReason.DRAIN)) == Settled()
    chat = bench.chat(scene.chat_id)
    assert (chat.status, chat.losses) == (Status.PENDING, 0)
    _finish(scene)


@pytest.mark.parametrize("point", POINTS)
def test_a_step_that_was_taken_away_is_finished_by_another(scene: Scene, point: Failpoint) -> None:
    bench = scene.rig.bench

    def act() -> None:
        chat = bench.chat(scene.chat_id)
        assert chat.lease_id is not None
        fence = Fence(history_version=chat.history_version, lease_id=chat.lease_id)
        bench.machine.update(scene.chat_id, lambda change: recover_running(change, fence))

    assert scene.play(point, act) == Stale()
    assert bench.chat(scene.chat_id).losses == 1
    if point is Failpoint.ANSWERED:
        # Nothing stands in the history: the model is asked again, and no tool has run.
        assert (len(scene.history()), scene.effects) == (1, [])
        return
    _finish(scene)


def test_the_stages_of_a_step_with_tools_are_all_there(scene: Scene) -> None:
    assert scene.play(Failpoint.SETTLED, lambda: None) == Settled()
    assert scene.rig.notes.stages == [
        Stage.BEGIN,
        Stage.QUEUE,
        Stage.SETTLE,  # of the calls
        Stage.TOOLS,
        Stage.SETTLE,
        Stage.PROVIDER,
    ]


def _finish(scene: Scene) -> None:
    """Let another worker take what is left; it asks no model before all calls have results."""
    bench = scene.rig.bench
    if open_calls(scene.history()):
        assert scene.rig.step(scene.chat_id) == Settled()
    assert open_calls(scene.history()) == []
    assert bench.chat(scene.chat_id).status is Status.PENDING
    assert [row.role for row in scene.history()] == [Role.USER, Role.ASSISTANT, Role.TOOL]
    assert set(scene.results()) == {"c0", "c1"}
    scene.check_effects()
