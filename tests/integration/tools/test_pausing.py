"""People and deaths come between where a step with mixed calls is about to wait for its client."""

from functools import partial

import pytest

from shared.chats.model.lease import Fence
from shared.chats.model.messages import Role
from shared.chats.model.parts import TextPart
from shared.chats.model.statuses import BusyBehavior, Status, TurnStatus
from shared.chats.moves.callers.edit import edit
from shared.chats.moves.callers.interrupt_retry import interrupt
from shared.chats.moves.callers.send import send
from shared.chats.moves.open_calls import NOT_ANSWERED, NOT_RUN, open_calls
from shared.chats.moves.workers.recover import recover_running
from tests.chats import said
from tests.integration.tools.scene import Scene, open_scene
from tests.integration.workers.rig import Rig
from workers.failpoints import Failpoint
from workers.leases.registry import CancelReason
from workers.steps.outcome import Settled, Stale

POINTS = (Failpoint.RECORDED, Failpoint.PAUSING, Failpoint.PAUSED)


@pytest.fixture
def scene(rig: Rig) -> Scene:
    return open_scene(rig, asks=True)


def _check_waits(scene: Scene) -> None:
    """The chat waits for its client and for nothing else, and nobody holds it."""
    chat = scene.rig.bench.chat(scene.chat_id)
    assert (chat.status, chat.lease_id) == (Status.REQUIRES_ACTION, None)
    assert [call.tool_call_id for call in chat.pending_calls] == ["d2"]
    assert set(scene.results()) == {"c0", "c1"}
    scene.check_effects()


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("send_too", [False, True], ids=["interrupt", "send"])
def test_a_stopped_turn_answers_the_client_s_call_too(
    scene: Scene, point: Failpoint, send_too: bool
) -> None:
    machine = scene.rig.bench.machine

    def act() -> None:
        if send_too:
            machine.update(
                scene.chat_id, lambda change: send(change, said("new"), BusyBehavior.INTERRUPT)
            )
        else:
            machine.update(scene.chat_id, partial(interrupt, clear_queue=False))
        scene.hint(CancelReason.INTERRUPTED)

    assert scene.play(point, act) == Settled()
    chat = scene.rig.bench.chat(scene.chat_id)
    assert chat.status is (Status.PENDING if send_too else Status.WAITING)
    assert (chat.pending_calls, chat.requires_action_deadline_at) == ((), None)
    assert scene.rig.bench.turn(scene.chat_id, scene.turn_id).status is TurnStatus.INTERRUPTED
    # A client that was asked may have run it.
    expected = NOT_ANSWERED if point is Failpoint.PAUSED else NOT_RUN
    assert scene.results()["d2"].result == expected
    before = [row for row in scene.history() if row.turn_id == scene.turn_id]
    assert open_calls(before) == []
    scene.check_effects()


@pytest.mark.parametrize("point", POINTS)
def test_an_edit_leaves_nothing_to_wait_for(scene: Scene, point: Failpoint) -> None:
    machine = scene.rig.bench.machine
    [first] = scene.history()

    def act() -> None:
        machine.update(
            scene.chat_id, lambda change: edit(change, first.id, (TextPart(text="new"),))
        )
        scene.hint(CancelReason.FENCED)

    outcome = Settled() if point is Failpoint.PAUSED else Stale()
    assert scene.play(point, act) == outcome
    chat = scene.rig.bench.chat(scene.chat_id)
    assert (chat.status, chat.pending_calls) == (Status.PENDING, ())
    assert chat.requires_action_deadline_at is None
    assert [row.role for row in scene.history()] == [Role.USER]


@pytest.mark.parametrize("point", POINTS)
def test_a_deleted_chat_waits_for_nobody(scene: Scene, point: Failpoint) -> None:
    outcome = Settled() if point is Failpoint.PAUSED else Stale()
    machine = scene.rig.bench.machine
    assert scene.play(point, lambda: machine.delete(scene.chat_id)) == outcome


@pytest.mark.parametrize("point", POINTS)
def test_a_drained_worker_leaves_a_chat_that_waits(scene: Scene, point: Failpoint) -> None:
    assert scene.play(point, lambda: scene.hint(CancelReason.DRAIN)) == Settled()
    if scene.rig.bench.chat(scene.chat_id).status is Status.PENDING:
        # One of the two calls was not claimed any more.
        assert scene.rig.step(scene.chat_id) == Settled()
    _check_waits(scene)


@pytest.mark.parametrize("point", [Failpoint.RECORDED, Failpoint.PAUSING])
def test_another_worker_waits_in_place_of_a_lost_one(scene: Scene, point: Failpoint) -> None:
    bench = scene.rig.bench

    def act() -> None:
        chat = bench.chat(scene.chat_id)
        assert chat.lease_id is not None
        fence = Fence(history_version=chat.history_version, lease_id=chat.lease_id)
        bench.machine.update(scene.chat_id, lambda change: recover_running(change, fence))

    assert scene.play(point, act) == Stale()
    assert scene.rig.step(scene.chat_id) == Settled()
    _check_waits(scene)
