"""People come between at every named point of a step, and its worker goes on, or dies there."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.journeys.fleet import Fleet, eventually
from tests.journeys.holding import Ambush, Held
from tests.journeys.replay import Replay
from tests.journeys.scripts import say, script
from tests.journeys.sse import Stream
from tests.journeys.tooling import at_once, call, check_paired
from workers.crash import CrashPoint

THOUGHT = {"reasoning": "let me think"}
SAID = "all of it"

BEGINNING, BEGUN, STREAMED = CrashPoint.BEGINNING, CrashPoint.BEGUN, CrashPoint.STREAMED
ANSWERED, COMMITTED = CrashPoint.ANSWERED, CrashPoint.COMMITTED
SETTLING, SETTLED, RETRIED = CrashPoint.SETTLING, CrashPoint.SETTLED, CrashPoint.RETRIED
POINTS = (BEGINNING, BEGUN, STREAMED, ANSWERED, COMMITTED, SETTLING, SETTLED, RETRIED)

KEPT = (STREAMED, ANSWERED, COMMITTED, SETTLING, SETTLED)
"""The points at which something was said that must not get lost."""


TELLING = (BEGUN, STREAMED, COMMITTED, SETTLING)
"""The points that leave a death the most to put right; at the others it takes the long form."""


@pytest.fixture
def fleet(doomed_fleet: Fleet) -> Fleet:
    return doomed_fleet


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A chat with one turn behind it, whose second one is held at a point while it is watched."""

    fleet: Fleet
    chat_id: str
    message_id: int
    turn_id: str
    stream: Stream
    held: Held

    @property
    def path(self) -> str:
        return f"/v1/chats/{self.chat_id}"

    def end(self, *, dies: bool) -> None:
        """Let the worker go on, or let it die."""
        if dies:
            self.held.die()
        else:
            self.held.go_on()

    def replay(self, turn_id: str) -> Replay:
        """Read until the chat rests after a turn, and compare it with what the API says then."""
        end = self.stream.wait_for("turn_end", lambda data: data["turn_id"] == turn_id)
        after = self.stream.events.index(end)
        self.stream.wait_for("status", lambda data: data["status"] == "waiting", after=after)
        replay = Replay().take_all(self.stream.events)
        self.fleet.check_agrees(self.chat_id, replay)
        check_paired(self.fleet, self.chat_id)
        return replay

    def second_turn(self) -> list[dict[str, Any]]:
        """Return the messages of the turn that was held."""
        rows = self.fleet.transcript(self.chat_id)
        return [row for row in rows if row["turn_id"] == self.turn_id]

    def check_kept(self, point: CrashPoint) -> None:
        """What was said is there, all of it, once, and nothing else."""
        question, *answer = self.second_turn()
        assert question["role"] == "user"
        said = [row for row in answer if row["role"] == "assistant"]
        assert len(said) == (point in KEPT)
        for row in said:
            texts = {part["type"]: part.get("text") for part in row["content"]}
            assert texts["reasoning"] == THOUGHT["reasoning"]
            assert texts["text"] == SAID
            assert ("tool-call" in texts) == (point in (ANSWERED, COMMITTED))


def _content(point: CrashPoint) -> str:
    if point in (ANSWERED, COMMITTED):
        return script(THOUGHT, say(SAID), call("add", "c1", x=1, y=1), {"next": True}, say("two"))
    if point is RETRIED:
        return script(THOUGHT, say(SAID), {"fail": {"status": 503, "retry_after": 60}})
    return script(THOUGHT, say(SAID))


Hold = Callable[..., Scene]


@pytest.fixture
def hold(fleet: Fleet, ambush: Ambush) -> Iterator[Hold]:
    """Bring a chat to a point and hold its worker there."""
    streams: list[Stream] = []

    def hold(point: CrashPoint, content: str | None = None) -> Scene:
        chat = fleet.new_chat(script(say("first")))
        assert fleet.turn(chat["id"], chat["turn_id"])["status"] == "finished"
        stream = fleet.stream(f"/v1/chats/{chat['id']}/stream")
        streams.append(stream)
        stream.wait_for("status")
        ambush.lay(point, chat["id"])
        sent = fleet.send(chat["id"], content or _content(point))
        held = ambush.wait(fleet)
        if point in (STREAMED, ANSWERED, SETTLING):
            stream.wait_for("message_part", lambda part: part["part"].get("text") == SAID)
        return Scene(
            fleet=fleet,
            chat_id=chat["id"],
            message_id=int(sent["message"]["id"]),
            turn_id=sent["turn_id"],
            stream=stream,
            held=held,
        )

    yield hold
    for stream in streams:
        stream.close()


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
    hold: Hold, point: CrashPoint, dies: bool
) -> None:
    scene = hold(point)

    def interrupt() -> str:
        return scene.fleet.ask("POST", f"{scene.path}/interrupt", {})["status"]

    expected = "waiting" if point in (BEGINNING, SETTLED, RETRIED) else "interrupting"
    assert at_once([interrupt] * 5) == [expected] * 5
    scene.end(dies=dies)
    replay = scene.replay(scene.turn_id)
    ended = "finished" if point is SETTLED else "interrupted"
    assert replay.ended_turns == [(scene.turn_id, ended)]
    scene.check_kept(point)


@MOSTLY_GOES_ON
@pytest.mark.parametrize("point", POINTS)
def test_an_interrupting_message_comes_behind_what_was_said(
    hold: Hold, point: CrashPoint, dies: bool
) -> None:
    scene = hold(point)
    sent = scene.fleet.send(scene.chat_id, script(say("new")), busy_behavior="interrupt")
    is_held = point not in (BEGINNING, SETTLED, RETRIED)
    assert sent["status"] == ("interrupting" if is_held else "pending")
    scene.end(dies=dies)
    replay = scene.replay(sent["turn_id"])
    ended = "finished" if point is SETTLED else "interrupted"
    assert replay.ended_turns == [(scene.turn_id, ended), (sent["turn_id"], "finished")]
    assert replay.texts()[-1] == ("assistant", "new")
    scene.check_kept(point)


@MOSTLY_GOES_ON
@pytest.mark.parametrize("point", POINTS)
def test_an_edit_leaves_nothing_of_what_was_said(hold: Hold, point: CrashPoint, dies: bool) -> None:
    scene = hold(point)
    body = {"content": script(say("edited"))}
    edited = scene.fleet.ask("PATCH", f"{scene.path}/messages/{scene.message_id}", body)
    scene.end(dies=dies)
    replay = scene.replay(edited["turn_id"])
    ended = "finished" if point is SETTLED else "replaced"
    assert replay.ended_turns == [(scene.turn_id, ended), (edited["turn_id"], "finished")]
    assert scene.second_turn() == []
    assert len(replay.messages) == 4
    assert replay.texts()[-1] == ("assistant", "edited")


@MOSTLY_GOES_ON
@pytest.mark.parametrize("point", POINTS)
def test_a_deleted_chat_stays_gone(hold: Hold, point: CrashPoint, dies: bool) -> None:
    scene = hold(point)
    assert scene.fleet.call("DELETE", scene.path).status == 204
    scene.end(dies=dies)
    assert scene.stream.wait_for_end()[-1].name == "chat_deleted"
    assert scene.fleet.call("GET", scene.path).status == 404
    if not dies:
        # The worker has noticed: it holds nothing, and works on.
        nothing = "it is not busy with it"
        eventually(lambda: not scene.fleet.metric(scene.held.process, "stepwell_chats"), nothing)
    left = (
        "SELECT 1 FROM messages WHERE chat_id = %(chat)s UNION ALL"
        " SELECT 1 FROM turns WHERE chat_id = %(chat)s UNION ALL"
        " SELECT 1 FROM tool_runs WHERE chat_id = %(chat)s"
    )
    assert scene.fleet.rows(left, chat=scene.chat_id) == []


@MOSTLY_GOES_ON
@pytest.mark.parametrize("point", [BEGUN, SETTLING, SETTLED])
def test_only_a_chat_that_rests_is_archived(hold: Hold, point: CrashPoint, dies: bool) -> None:
    scene = hold(point)
    answer = scene.fleet.call("PATCH", scene.path, {"archived": True})
    assert answer.status == (200 if point is SETTLED else 409)
    if answer.status == 409:
        assert answer.body["current_status"] == "running"
    scene.end(dies=dies)
    replay = scene.replay(scene.turn_id)
    assert replay.ended_turns == [(scene.turn_id, "finished")]
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
    hold: Hold, ambush: Ambush, point: CrashPoint, dies: bool
) -> None:
    scene = hold(point)
    ambush.lay(CrashPoint.RECOVERING, scene.chat_id)
    scene.end(dies=True)
    sweeping = ambush.wait(scene.fleet)
    answer = scene.fleet.ask("POST", f"{scene.path}/interrupt", {})
    assert answer["status"] == "interrupting"
    if dies:
        scene.fleet.spawn_worker({})
        sweeping.die()
    else:
        sweeping.go_on()
    replay = scene.replay(scene.turn_id)
    assert replay.ended_turns == [(scene.turn_id, "interrupted")]
    scene.check_kept(point)


def test_a_backoff_whose_worker_dies_is_over_in_time(hold: Hold) -> None:
    scene = hold(RETRIED, script({"fail": {"status": 503, "times": 1}}, say(SAID)))
    scene.end(dies=True)
    replay = scene.replay(scene.turn_id)
    assert replay.ended_turns == [(scene.turn_id, "finished")]
    assert replay.texts()[-1] == ("assistant", SAID)
