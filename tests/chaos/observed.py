"""What one client has seen of its chat over all its connections, and what it must never see."""

from dataclasses import dataclass, field
from typing import Any

from tests.chaos.scripts import numbers_in
from tests.journeys.replay import Replay, text_of
from tests.journeys.sse import Event

PAUSED = "requires_action"
_RESETS = frozenset({"retry", "preview_reset", "history_reset"})


@dataclass
class View(Replay):
    """A replay that goes on through every reconnection."""

    parts: int = 0
    last_id: str = ""
    calls: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    outcomes: dict[str, str] = field(default_factory=dict[str, str])
    recent: list[str] = field(default_factory=list[str])
    _asked: int = 0

    def open(self, chat: dict[str, Any], messages: list[dict[str, Any]]) -> None:
        """Begin with a chat as it was created, so that the stream tells all that comes after."""
        self.status, self.title, self.last_id = chat["status"], chat["title"], chat["cursor"]
        self.messages = {int(message["id"]): message for message in messages}

    def take(self, event: Event) -> None:
        """Take the next event of this connection or of the one after it."""
        self.last_id = event.id or self.last_id
        self._note(event)
        super().take(event)
        if event.name == "history_reset":
            self._asked = 0  # the messages of earlier requests follow
        match event.name:
            case name if name in _RESETS:
                # What follows may be the same episode's buffer, from its first part on.
                self._episode = (*self._episode[:2], 0)
            case "message_part":
                self.parts += 1
                text = text_of([event.data["part"]])
                self._asked = max(self._asked, *numbers_in(text), 0)
            case "message" if event.data["role"] == "assistant":
                self._compare(event.data)
            case "action_required":
                self.calls = {call["tool_call_id"]: call for call in event.data["tool_calls"]}
            case "turn_end" if event.data["status"] != PAUSED:
                self._end(event.data["turn_id"], event.data["status"])
            case _:
                pass

    def _note(self, event: Event) -> None:
        """Remember the last events in short, to be printed with a fault."""
        data = event.data
        short = {
            name: data[name] for name in ("id", "turn_id", "status", "attempt", "seq", "role")
            if name in data
        }  # fmt: skip
        self.recent = [*self.recent[-39:], f"{event.id} {event.name} {short}"]

    def _compare(self, message: dict[str, Any]) -> None:
        """Parts may be cut off by what failed, never doubled or left out in between."""
        said, previewed = text_of(message["content"]), self.previewed[int(message["id"])]
        if not said.startswith(previewed):
            self._fault(f"{previewed!r} was shown of {said!r}")
        shown, self._asked = self._asked, 0
        if min(numbers_in(said), default=shown) < shown:
            self._fault(f"an answer to the request {shown} was shown before {said!r}")

    def _end(self, turn_id: str, status: str) -> None:
        # After a cut before the snapshot's last event it comes again, if the chat has moved on.
        if self.outcomes.setdefault(turn_id, status) != status:
            self._fault(f"turn {turn_id} was {self.outcomes[turn_id]}, and then {status}")

    def _fault(self, what: str) -> None:
        """Note it with what led to it: the last events of a long chat are others."""
        self.faults.append("\n".join([what, *self.recent]))
