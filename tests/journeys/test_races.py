"""People come between at every named point of a step, and its worker goes on, or dies there."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.journeys.barriers import Ambush, Held
from tests.journeys.fleet import Fleet, eventually
from tests.journeys.scene import CALLING, FAILING, PLAIN, SAID, Scene, open_scene
from tests.journeys.scripts import say, script
from tests.journeys.tooling import at_once
from workers.failpoints import Failpoint

BEGINNING, BEGUN, STREAMED = Failpoint.BEGINNING, Failpoint.BEGUN, Failpoint.STREAMED
ANSWERED, COMMITTED = Failpoint.ANSWERED, Failpoint.COMMITTED
SETTLING, SETTLED, RETRIED = Failpoint.SETTLING, Failpoint.SETTLED, Failpoint.RETRIED
POINTS = (BEGINNING, BEGUN, STREAMED, ANSWERED, COMMITTED, SETTLING, SETTLED, RETRIED)

KEPT = (STREAMED, ANSWERED, COMMITTED, SETTLING, SETTLED)
"""The points at which something was said that must not get lost."""


TELLING = (BEGUN, STREAMED, COMMITTED, SETTLING)
"""The points that leave a death the most to put right; at the others it takes the long form."""


@pytest.fixture
def fleet(doomed_fleet: Fleet) -> Fleet:
    return doomed_fleet


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldTurn:
    """The second turn of a scene, whose worker waits at a point."""

    scene: Scene
    turn_id: str
    message_id: int
    point: Failpoint
    held: Held

    def end(self, *, dies: bool) -> None:
        """Let the worker go on, or let it die."""
        if dies:
            self.held.die()
        else:
            self.held.go_on()

    def check_kept(self) -> None:
        called = self.point in (ANSWERED, COMMITTED)
        self.scene.check_kept(self.turn_id, said=self.point in KEPT, called=called)


Hold = Callable[..., HeldTurn]


def _content(point: Failpoint) -> str:
    return {ANSWERED: CALLING, COMMITTED: CALLING, RETRIED: FAILING}.get(point, PLAIN)


@pytest.fixture
def hold(fleet: Fleet, ambush: Ambush) -> Iterator[Hold]:
    """Bring a chat to a point and hold its worker there."""
    with ExitStack() as stack:

        def hold(point: Failpoint, content: str | None = None) -> HeldTurn:
            scene = stack.enter_context(open_scene(fleet))
            ambush.lay(point, scene.chat_id)
            turn_id, message_id = scene.send(content or _content(point))
            held = ambush.wait(fleet)
            if point in (STREAMED, ANSWERED, SETTLING):
                scene.wait_until_said()
            return HeldTurn(
                scene=scene, turn_id=turn_id, message_id=message_id, point=point, held=held
            )

        yield hold


EACH_WAY = pytest.mark.parametrize(
    ("point", "dies"),
    [
        *(pytest.param(point, False, id=f"{point}-goes on") for point in POINTS),
        *(pytest.param(point, True, id=f"{point}-dies") for point in TELLING),
        *(
            pytest.param(point, True, id=f"{point}-dies", marks=pytest.mark.slow)
            for point in POINTS
            if point not in TELLING
        ),
    ],
)
MOSTLY_GOES_ON = pytest.mark.parametrize(
    "dies",
    [
        pytest.param(False, id="goes on"),
        pytest.param(True, id="dies", marks=pytest.mark.slow),
    ],
)


@EACH_WAY
def test_five_interrupts_at_once_keep_what_was_said(
    hold: Hold, point: Failpoint, dies: bool
) -> None:
    turn = hold(point)

    expected = "waiting" if point in (BEGINNING, SETTLED, RETRIED) else "interrupting"
    assert at_once([turn.scene.interrupt] * 5) == [expected] * 5
    turn.end(dies=dies)
    replay = turn.scene.replay(turn.turn_id)
    ended = "finished" if point is SETTLED else "interrupted"
    assert replay.ended_turns == [(turn.turn_id, ended)]
    turn.check_kept()


@MOSTLY_GOES_ON
@pytest.mark.parametrize("point", POINTS)
def test_an_interrupting_message_comes_behind_what_was_said(
    hold: Hold, point: Failpoint, dies: bool
) -> None:
    turn = hold(point)
    sent = turn.scene.fleet.send(turn.scene.chat_id, script(say("new")), busy_behavior="interrupt")
    is_held = point not in (BEGINNING, SETTLED, RETRIED)
    assert sent["status"] == ("interrupting" if is_held else "pending")
    turn.end(dies=dies)
    replay = turn.scene.replay(sent["turn_id"])
    ended = "finished" if point is SETTLED else "interrupted"
    assert replay.ended_turns == [(turn.turn_id, ended), (sent["turn_id"], "finished")]
    assert replay.texts()[-1] == ("assistant", "new")
    turn.check_kept()


@MOSTLY_GOES_ON
@pytest.mark.parametrize("point", POINTS)
def test_an_edit_leaves_nothing_of_what_was_said(hold: Hold, point: Failpoint, dies: bool) -> None:
    turn = hold(point)
    body = {"content": script(say("edited"))}
    edited = turn.scene.fleet.ask("PATCH", f"{turn.scene.path}/messages/{turn.message_id}", body)
    turn.end(dies=dies)
    replay = turn.scene.replay(edited["turn_id"])
    ended = "finished" if point is SETTLED else "replaced"
    assert replay.ended_turns == [(turn.turn_id, ended), (edited["turn_id"], "finished")]
    assert turn.scene.rows_of(turn.turn_id) == []
    assert len(replay.messages) == 4
    assert replay.texts()[-1] == ("assistant", "edited")


@MOSTLY_GOES_ON
@pytest.mark.parametrize("point", POINTS)
def test_a_deleted_chat_stays_gone(hold: Hold, point: Failpoint, dies: bool) -> None:
    turn = hold(point)
    assert turn.scene.fleet.call("DELETE", turn.scene.path).status == 204
    turn.end(dies=dies)
    assert turn.scene.stream.wait_for_end()[-1].name == "chat_deleted"
    assert turn.scene.fleet.call("GET", turn.scene.path).status == 404
    if not dies:
        # The worker has noticed: it holds nothing, and works on.
        worker, busy = turn.held.process, "stepwell_chats"
        eventually(lambda: not turn.scene.fleet.metric(worker, busy), "it is not busy with it")
    left = (
        "SELECT 1 FROM messages WHERE chat_id = %(chat)s UNION ALL"
        " SELECT 1 FROM turns WHERE chat_id = %(chat)s UNION ALL"
        " SELECT 1 FROM tool_runs WHERE chat_id = %(chat)s"
    )
    assert turn.scene.fleet.rows(left, chat=turn.scene.chat_id) == []


@MOSTLY_GOES_ON
def test_a_chat_that_is_deleted_while_it_is_interrupted_stays_gone(hold: Hold, dies: bool) -> None:
    turn = hold(STREAMED)
    assert turn.scene.interrupt() == "interrupting"
    assert turn.scene.fleet.call("DELETE", turn.scene.path).status == 204
    turn.end(dies=dies)
    assert turn.scene.stream.wait_for_end()[-1].name == "chat_deleted"
    assert turn.scene.fleet.call("GET", turn.scene.path).status == 404


@MOSTLY_GOES_ON
@pytest.mark.parametrize("point", [BEGUN, SETTLING, SETTLED])
def test_only_a_chat_that_rests_is_archived(hold: Hold, point: Failpoint, dies: bool) -> None:
    turn = hold(point)
    answer = turn.scene.fleet.call("PATCH", turn.scene.path, {"archived": True})
    assert answer.status == (200 if point is SETTLED else 409)
    if answer.status == 409:
        assert answer.body["current_status"] == "running"
    turn.end(dies=dies)
    replay = turn.scene.replay(turn.turn_id)
    assert replay.ended_turns == [(turn.turn_id, "finished")]
    assert replay.texts()[-1] == ("assistant", SAID)


@pytest.mark.parametrize(
    ("point", "dies"),
    [
        (STREAMED, False),
        pytest.param(BEGUN, False, marks=pytest.mark.slow),
        pytest.param(COMMITTED, False, marks=pytest.mark.slow),
        pytest.param(STREAMED, True, marks=pytest.mark.slow),
    ],
)
def test_an_interruption_during_a_recovery_keeps_what_was_said(
    hold: Hold, ambush: Ambush, point: Failpoint, dies: bool
) -> None:
    turn = hold(point)
    ambush.lay(Failpoint.RECOVERING, turn.scene.chat_id)
    turn.end(dies=True)
    sweeping = ambush.wait(turn.scene.fleet)
    assert turn.scene.interrupt() == "interrupting"
    if dies:
        turn.scene.fleet.spawn_worker({})
        sweeping.die()
    else:
        sweeping.go_on()
    replay = turn.scene.replay(turn.turn_id)
    assert replay.ended_turns == [(turn.turn_id, "interrupted")]
    turn.check_kept()


def test_a_backoff_whose_worker_dies_is_over_in_time(hold: Hold) -> None:
    turn = hold(RETRIED, script({"fail": {"status": 503, "times": 1}}, say(SAID)))
    turn.end(dies=True)
    replay = turn.scene.replay(turn.turn_id)
    assert replay.ended_turns == [(turn.turn_id, "finished")]
    assert replay.texts()[-1] == ("assistant", SAID)
