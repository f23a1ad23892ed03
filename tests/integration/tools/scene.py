"""A step with tools between whose points a test can come, and what must hold afterwards."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Final

from shared.chats.model.chat import DynamicTool
from shared.chats.model.ids import ChatId, TurnId
from shared.chats.model.messages import Message
from shared.chats.model.parts import ToolCallPart, ToolResultPart
from shared.tools.spec import Tool, tool
from tests.integration.workers.rig import Rig
from workers.failpoints import Failpoint
from workers.leases.registry import CancelReason
from workers.providers.protocol import FinishReason, PartDone, StreamEnd
from workers.steps.outcome import Outcome

WAIT_SECONDS: Final = 20.0
ASK: Final = DynamicTool(name="ask", description="Ask.", input_schema={"type": "object"})


@dataclass(slots=True)
class Scene:
    """A chat whose model calls two tools, and the client's too, and who comes between once."""

    rig: Rig
    chat_id: ChatId
    turn_id: TurnId
    asks: bool = False
    effects: list[str] = field(default_factory=list[str])
    happened: bool = False
    _lock: Lock = field(default_factory=Lock)

    def play(self, point: Failpoint, act: Callable[[], object]) -> Outcome:
        """Take the step; at the point, once, `act` happens."""

        def reached(at: Failpoint) -> None:
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
        if self.asks:
            call = ToolCallPart(tool_call_id="d2", tool_name=ASK.name, args={})
            rig.on_loop(rig.puppet.say(PartDone(2, call)))
        rig.on_loop(rig.puppet.say(StreamEnd(reason=FinishReason.TOOL_CALLS)))
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


def open_scene(rig: Rig, *, asks: bool = False) -> Scene:
    """Create the chat; with `asks` the model calls a tool of its client as well."""
    chat_id = rig.bench.start(dynamic_tools=(ASK,) if asks else ())
    turn_id = rig.bench.chat(chat_id).current_turn_id
    assert turn_id is not None
    return Scene(rig=rig, chat_id=chat_id, turn_id=turn_id, asks=asks)


async def _end(rig: Rig) -> None:
    rig.puppet.end(None)
