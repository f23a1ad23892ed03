"""What a client knows of a chat after some events: the model that streams are checked with."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.journeys.sse import Event


@dataclass(slots=True)
class Replay:
    """Assembles a chat from its stream and notes what no stream may do."""

    messages: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    preview: dict[int, str] = field(default_factory=dict[int, str])
    queue: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    ended_turns: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    status: str = ""
    title: str | None = None
    error: dict[str, Any] | None = None
    faults: list[str] = field(default_factory=list[str])
    previewed: dict[int, str] = field(default_factory=dict[int, str])
    _episode: tuple[int, int, int] = (0, 0, 0)

    def take_all(self, events: Iterable[Event]) -> "Replay":
        for event in events:
            self.take(event)
        return self

    def take(self, event: Event) -> None:
        data = event.data
        match event.name:
            case "message":
                self._message(data)
            case "message_part":
                self._part(data)
            case "retry" | "preview_reset":
                self.preview.clear()
            case "history_reset":
                self.preview.clear()
                self.messages.clear()
            case "queue_update":
                self.queue = data["items"]
            case "status":
                self.status = data["status"]
            case "title":
                self.title = data["title"]
            case "error":
                self.error = data
            case "turn_end":
                self.ended_turns.append((data["turn_id"], data["status"]))
            case _:
                pass

    @property
    def error_now(self) -> dict[str, Any] | None:
        """What a client shows as the chat's error: the last one, while it stands."""
        return self.error if self.status == "error" else None

    def texts(self) -> list[tuple[str, str]]:
        """Return role and text of every message, in order."""
        return [
            (message["role"], text_of(message["content"]))
            for _, message in sorted(self.messages.items())
        ]

    def _message(self, data: dict[str, Any]) -> None:
        message_id = int(data["id"])
        if message_id in self.messages:
            self.faults.append(f"message {message_id} came twice")
        if self.messages and message_id < max(self.messages):
            self.faults.append(f"message {message_id} came late")
        self.messages[message_id] = data
        if data["role"] == "assistant":
            self.previewed[message_id] = "".join(text for _, text in sorted(self.preview.items()))
            self.preview.clear()

    def _part(self, data: dict[str, Any]) -> None:
        place = (data["history_version"], data["attempt"], data["seq"])
        if place <= self._episode:
            self.faults.append(f"part {place} came after {self._episode}")
        if place[:2] != self._episode[:2] and self.preview:
            self.faults.append(f"part {place} joined a preview of {self._episode}")
        self._episode = place
        part = data["part"]
        if part["type"] == "text":
            index = data["index"]
            self.preview[index] = self.preview.get(index, "") + part["text"]


def text_of(content: list[dict[str, Any]]) -> str:
    return "".join(part["text"] for part in content if part["type"] == "text")
