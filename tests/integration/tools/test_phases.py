"""People and deaths come between at every point of a tool call's way: the turn ends once, whole."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock
from typing import Final

import pytest
from sqlalchemy import text

from shared.chats.admit.control import interrupt
from shared.chats.admit.edit import edit
from shared.chats.admit.send import send
from shared.chats.calls import open_calls
from shared.chats.drive.fence import Fence
from shared.chats.drive.recover import recover_running
from shared.chats.errors import ChatNotFound
from shared.chats.read import find_chat
from shared.chats.states import Status, TurnStatus
from shared.chats.types import (
    BusyBehavior,
    ChatId,
    Message,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    TurnId,
)
from shared.tools.spec import Tool, tool
from tests.chats import said
from tests.integration.workers.rig import Rig
from workers.crash import CrashPoint
from workers.leases import CancelReason
from workers.providers.base import Finish, FinishReason, PartDone
from workers.steps.outcome import Outcome, Settled, Stale

WAIT_SECONDS: Final = 20.0
POINTS: Final = (
    CrashPoint.ANSWERED,
    CrashPoint.COMMITTED,
    CrashPoint.CLAIMING,
    CrashPoint.CLAIMED,
    CrashPoint.RAN,
    CrashPoint.RECORDED,
    CrashPoint.SETTLING,
)
"""All but those after the end of the step, and those of deadlines."""


@dataclass(slots=True)
class Scene:
    """A chat whose model calls two tools, and somebody who comes between once."""

    rig: Rig
    chat_id: ChatId
    turn_id: TurnId
    effects: list[str] = field(default_factory=list[str])
    happened: bool = False
    _lock: Lock = field(default_factory=Lock)

    def play(self, point: CrashPoint, act: Callable[[], object]) -> Outcome:
        """Take the step; at the point, once, `act` happens."""

        def reached(at: CrashPoint) -> None:
            with self._lock:
                if at is not point or self.happened:
                    return
                self.happened = True
            act()

        rig = self.rig
        rig.with_deps(
            registry={"count": self._counter()}, tools=replace(rig.deps.tools, reached=reached)
        )
        step = rig.begin_step(self.chat_id)
        rig.until_asked()
        for number in range(2):
            call = ToolCallPart(
                tool_call_id=f"c{number}", tool_name="count", args={"what": f"effect {number}"}
            )
            rig.on_loop(rig.puppet.say(PartDone(number, call)))
        rig.on_loop(rig.puppet.say(Finish(reason=FinishReason.TOOL_CALLS)))
        rig.on_loop(_end(rig))
        outcome = step.result(WAIT_SECONDS)
        assert self.happened
        return outcome

    def hint(self, reason: CancelReason) -> None:
        """Do what the notification of a move does in the worker."""
        for lease in self.rig.deps.leases.all():
            lease.cancel(reason)

    def history(self) -> list[Message]:
        return list(self.rig.bench.history(self.chat_id))

    def results(self) -> Mapping[str, ToolResultPart]:
        return {
            part.tool_call_id: part
            for row in self.history()
            for part in row.content
            if isinstance(part, ToolResultPart)
        }

    def check_effects(self) -> None:
        """No effect is there twice, and one that is there is not said to be not run."""
        assert len(self.effects) == len({*self.effects})
        for id_, part in self.results().items():
            if part.result == f"effect {id_[1:]}":
                assert part.result in self.effects
            else:
                assert part.is_error
            if "not run" in str(part.result):
                assert f"effect {id_[1:]}" not in self.effects

    def _counter(self) -> Tool:
        @tool
        def count(what: str) -> str:
            """Have an effect."""
            with self._lock:
                self.effects.append(what)
            return what

        return count


async def _end(rig: Rig) -> None:
    rig.puppet.end(None)


@pytest.fixture
def scene(rig: Rig) -> Scene:
    chat_id = rig.bench.start()
    turn_id = rig.bench.chat(chat_id).current_turn_id
    assert turn_id is not None
    return Scene(rig=rig, chat_id=chat_id, turn_id=turn_id)


@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
@pytest.mark.parametrize("point", POINTS)
def test_an_interruption_keeps_what_is_there(scene: Scene, point: CrashPoint, told: bool) -> None:
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
    scene: Scene, point: CrashPoint, told: bool
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
def test_an_edit_leaves_nothing_of_it(scene: Scene, point: CrashPoint, told: bool) -> None:
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
def test_a_chat_that_is_deleted_is_gone_with_its_ledger(scene: Scene, point: CrashPoint) -> None:
    bench = scene.rig.bench
    assert scene.play(point, lambda: bench.machine.delete(scene.chat_id)) == Stale()
    with bench.engine.connect() as connection:
        assert find_chat(connection, scene.chat_id) is None
        assert connection.execute(text("SELECT count(*) FROM tool_runs")).scalar_one() == 0
    with pytest.raises(ChatNotFound):
        bench.machine.update(scene.chat_id, partial(interrupt, clear_queue=False))


@pytest.mark.parametrize("point", POINTS)
def test_a_drained_worker_gives_back_what_it_has_not_done(scene: Scene, point: CrashPoint) -> None:
    bench = scene.rig.bench
    assert scene.play(point, lambda: scene.hint(CancelReason.DRAIN)) == Settled()
    chat = bench.chat(scene.chat_id)
    assert (chat.status, chat.losses) == (Status.PENDING, 0)
    _finish(scene)


@pytest.mark.parametrize("point", POINTS)
def test_a_step_that_was_taken_away_is_finished_by_another(scene: Scene, point: CrashPoint) -> None:
    bench = scene.rig.bench

    def act() -> None:
        chat = bench.chat(scene.chat_id)
        assert chat.lease_id is not None
        fence = Fence(history_version=chat.history_version, lease_id=chat.lease_id)
        bench.machine.update(scene.chat_id, lambda change: recover_running(change, fence))

    assert scene.play(point, act) == Stale()
    assert bench.chat(scene.chat_id).losses == 1
    if point is CrashPoint.ANSWERED:
        # Nothing stands in the history: the model is asked again, and no tool has run.
        assert (len(scene.history()), scene.effects) == (1, [])
        return
    _finish(scene)


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
