"""Readers whose connection is cut again and again, at an event or inside of one, and who resume."""

import http.client
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from threading import Thread
from typing import Any

from tests.journeys.fleet import Fleet
from tests.journeys.replay import Replay
from tests.journeys.sse import Event

READ_SECONDS = 30.0


class Resume(Enum):
    """How a client says what it has."""

    HEADER = auto()  # Last-Event-ID
    QUERY = auto()  # ?after=


class Unit(Enum):
    """What a connection is cut after so many of."""

    EVENTS = auto()
    BYTES = auto()


@dataclass(slots=True)
class CutReplay(Replay):
    """A replay that knows that a preview may begin anew after a reset."""

    last_id: str = ""

    def take(self, event: Event) -> None:
        self.last_id = event.id
        super(CutReplay, self).take(event)
        if event.name in ("retry", "preview_reset", "history_reset"):
            self._episode = (*self._episode[:2], 0)


@dataclass(slots=True)
class CutReader:
    """Reads a chat until the server ends the stream, over as many connections as it takes.

    `cuts` says after how many units each connection is cut; when it is used up, none is. Every
    connection goes to the other API process.
    """

    fleet: Fleet
    chat_id: str
    cuts: Iterator[int]
    unit: Unit
    how: Resume = Resume.HEADER
    replay: CutReplay = field(default_factory=CutReplay)
    connections: int = 0
    failed: BaseException | None = None
    _thread: Thread | None = None

    def start(self) -> "CutReader":
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def join(self) -> CutReplay:
        """Wait for the end and return what was put together."""
        assert self._thread is not None
        self._thread.join(2 * READ_SECONDS)
        assert not self._thread.is_alive(), "the reader goes on"
        if self.failed is not None:
            raise self.failed
        return self.replay

    def _run(self) -> None:
        try:
            while not self._connect():
                pass
        except BaseException as error:
            self.failed = error

    def _connect(self) -> bool:
        """Read over one connection; True = the server has ended the stream."""
        api = self.fleet.apis[self.connections % len(self.fleet.apis)]
        self.connections += 1
        connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=READ_SECONDS)
        try:
            path, headers = f"/v1/chats/{self.chat_id}/stream?until=idle", self._headers()
            if self.replay.last_id and self.how is Resume.QUERY:
                path += f"&after={self.replay.last_id}"
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            assert response.status == 200, response.read()
            return self._read(response, next(self.cuts, None))
        finally:
            connection.close()

    def _headers(self) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self.fleet.key}"}
        if self.replay.last_id and self.how is Resume.HEADER:
            headers["Last-Event-ID"] = self.replay.last_id
        return headers

    def _read(self, response: http.client.HTTPResponse, cut: int | None) -> bool:
        if cut is not None and self.unit is Unit.BYTES:
            raw = response.read(cut)
            # What is left of an event at the end never came, as for any client.
            for event in events_of(raw.decode(errors="ignore").splitlines(keepends=True)):
                self.replay.take(event)
            return len(raw) < cut
        for number, event in enumerate(events_of(line.decode() for line in response), 1):
            self.replay.take(event)
            if number == cut:
                return False
        return True


def events_of(lines: Iterable[str]) -> Iterator[Event]:
    """Read the events of a stream, whole ones only."""
    fields: dict[str, str] = {}
    for line in lines:
        if line == "\n":
            if "event" in fields:
                data: dict[str, Any] = json.loads(fields["data"])
                yield Event(id=fields["id"], name=fields["event"], data=data, at=time.monotonic())
            fields = {}
        elif line.endswith("\n") and not line.startswith(":"):
            name, _, value = line.rstrip("\n").partition(": ")
            fields[name] = value
