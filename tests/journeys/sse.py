"""A reader of a chat's stream, as a client would write one; it notes when everything came."""

import http.client
import json
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from threading import Condition, Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event, and when it came on the monotonic clock."""

    id: str
    name: str
    data: dict[str, Any]
    at: float


class Stream:
    """Reads a stream on a thread of its own until it ends or is closed."""

    def __init__(
        self,
        base_url: str,
        path: str,
        *,
        key: str,
        method: str = "GET",
        body: object = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.events: list[Event] = []
        self.comments = 0
        self.ended = False
        self.failed: str | None = None
        self._changed = Condition()
        self._connection = http.client.HTTPConnection(urlsplit(base_url).netloc, timeout=60)
        self.opened_at = time.monotonic()
        payload = None if body is None else json.dumps(body)
        sent = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream", **(headers or {})}
        if payload is not None:
            sent["Content-Type"] = "application/json"
        self._connection.request(method, path, payload, sent)
        # http.client forgets the socket of an answer without an end.
        self._socket = self._connection.sock
        self._response = self._connection.getresponse()
        self.status = self._response.status
        self.headers = self._response.headers
        self._thread = Thread(target=self._read, name="stream", daemon=True)
        self._thread.start()

    def wait_for(
        self,
        name: str,
        where: Callable[[dict[str, Any]], bool] = lambda data: True,
        *,
        seconds: float = PATIENCE_SECONDS,
        after: int = 0,
    ) -> Event:
        """Return the first event of this name, from place `after` on, that fits."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                for event in self.events[after:]:
                    if event.name == name and where(event.data):
                        return event
                left = deadline - time.monotonic()
                if self.ended or left <= 0:
                    raise AssertionError(f"no {name!r} came: {self.names()} {self.failed or ''}")
                self._changed.wait(left)

    def wait_for_end(self, seconds: float = PATIENCE_SECONDS) -> list[Event]:
        """Wait until the server ends the stream; return all events."""
        self._thread.join(seconds)
        if self._thread.is_alive():
            raise AssertionError(f"the stream goes on: {self.names()}")
        return self.events

    def names(self) -> list[str]:
        return [event.name for event in self.events]

    def longest_silence(self) -> float:
        """Return the longest time in seconds between two events, or before the first."""
        times = [self.opened_at, *(event.at for event in self.events)]
        return max(later - earlier for earlier, later in pairwise(times))

    def close(self) -> None:
        """Leave; harmless after the end."""
        with suppress(OSError):
            # This wakes the reading thread; closing alone would not.
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._response.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self) -> None:
        fields: dict[str, str] = {}
        try:
            for raw in self._response:
                line = raw.decode().rstrip("\n")
                if not line:
                    self._take(fields)
                    fields = {}
                elif line.startswith(":"):
                    self.comments += 1
                else:
                    name, _, value = line.partition(": ")
                    fields[name] = value
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            self.failed = repr(error)
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def _take(self, fields: dict[str, str]) -> None:
        if "event" not in fields:
            return
        event = Event(
            id=fields.get("id", ""),
            name=fields["event"],
            data=json.loads(fields.get("data", "{}")),
            at=time.monotonic(),
        )
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()
