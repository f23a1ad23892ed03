"""A client as somebody would write it: it reads events and puts together what they say."""

from dataclasses import dataclass, field
from typing import Any

import orjson

from shared.chats.model.statuses import LEASED, Status

Place = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One event as it came over the wire."""

    id: str
    name: str
    data: dict[str, Any]


def parse(stream: bytes) -> list[Sent]:
    """Read server-sent events; comments are left out."""
    found: list[Sent] = []
    for block in stream.decode().split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in block.split("\n") if line[:1] not in ("", ":")
        )
        if "event" in fields:
            data = orjson.loads(fields["data"])
            found.append(Sent(id=fields["id"], name=fields["event"], data=data))
    return found


@dataclass(slots=True)
class Reading:
    """What a client has put together so far. What must never happen fails at once."""

    messages: list[int] = field(default_factory=list[int])
    preview: dict[int, str] = field(default_factory=dict[int, str])
    shows: bool = False
    place: Place = (-1, -1)
    seq: int = 0
    status: str = ""
    title: str = ""
    queue: list[int] = field(default_factory=list[int])
    error: str = ""
    calls: list[str] = field(default_factory=list[str])
    turns: dict[str, str] = field(default_factory=dict[str, str])
    deleted: bool = False
    first_id: str = ""
    last_id: str = ""

    def take(self, event: Sent) -> None:
        """Take the next event."""
        assert not self.deleted
        match event.name:
            case "message":
                self._message(event.data)
            case "message_part":
                self._part(event.data)
            case "retry":
                self._drop()
            case "preview_reset":
                assert self.shows, "there is nothing to drop"
                self._drop()
            case "history_reset":
                self.messages.clear()
                self._drop()
            case "status":
                self._status(event.data["status"])
            case _:
                self._state(event)
        self.first_id = self.first_id or event.id
        self.last_id = event.id

    def _message(self, data: dict[str, Any]) -> None:
        assert not self.messages or data["id"] > self.messages[-1], "a message came twice"
        self.messages.append(data["id"])
        if data["role"] in ("assistant", "tool"):
            self._drop()

    def _part(self, data: dict[str, Any]) -> None:
        place = (data["history_version"], data["attempt"])
        if place != self.place or not self.shows:
            assert place >= self.place, "an older attempt came back"
            assert not self.shows, "an attempt began on top of another one's preview"
            self.place, self.seq = place, 0
        assert data["seq"] > self.seq, "a part came twice"
        self.seq = data["seq"]
        self.shows = True
        text = self.preview.get(data["index"], "") + data["part"]["text"]
        self.preview[data["index"]] = text

    def _status(self, status: str) -> None:
        assert Status(status) in LEASED or not self.shows, "a preview outlived its attempt"
        self.status = status
        if status != "error":
            self.error = ""
        if status != "requires_action":
            self.calls = []

    def _state(self, event: Sent) -> None:
        data = event.data
        match event.name:
            case "title":
                self.title = data["title"]
            case "queue_update":
                self.queue = [item["id"] for item in data["items"]]
            case "error":
                self.error = data["message"]
            case "action_required":
                self.calls = [call["tool_call_id"] for call in data["tool_calls"]]
            case "turn_end":
                self.turns[data["turn_id"]] = data["status"]
            case "chat_deleted":
                self.deleted = True
            case other:
                raise AssertionError(f"an event that nobody knows: {other}")

    def _drop(self) -> None:
        self.preview.clear()
        self.shows = False
