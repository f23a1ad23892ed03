"""One call of a built-in tool on its way: what is known of it, on the loop and in its thread."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock

from shared.chats.model.parts import ToolCallPart, ToolResultPart
from shared.tools.context import Cancellation
from shared.tools.spec import Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that shall run, with its arguments as the function takes them.

    `index` is the call's place in the content of its message.
    """

    index: int
    asked: ToolCallPart
    tool: Tool
    arguments: Mapping[str, object]


class Phase(StrEnum):
    """Who decides on the call's result: its thread, until one of the two has."""

    OPEN = "open"  # nobody has
    ENDED = "ended"  # the tool: it ended in time
    GIVEN_UP = "given_up"  # the loop: it took too long, or is not wanted any more


@dataclass(slots=True, eq=False)
class Run:
    """A call under way. Safe between threads; the first decision stands."""

    call: Call
    cancellation: Cancellation = field(default_factory=Cancellation)
    result: ToolResultPart | None = None
    _phase: Phase = Phase.OPEN
    _lock: Lock = field(default_factory=Lock)

    def end(self, result: ToolResultPart) -> bool:
        """Take what the tool came to; False = nobody wants it any more."""
        with self._lock:
            if self._phase is not Phase.OPEN:
                return False
            self._phase, self.result = Phase.ENDED, result
            return True

    def give_up(self) -> bool:
        """Decide that the tool comes too late; False = it has ended."""
        with self._lock:
            if self._phase is not Phase.OPEN:
                return False
            self._phase = Phase.GIVEN_UP
        self.cancellation.cancel()
        return True

    @property
    def given_up(self) -> bool:
        """Whether it came too late."""
        return self._phase is Phase.GIVEN_UP
