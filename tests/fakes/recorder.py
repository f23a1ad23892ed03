"""What a fake server saw: its connections and its requests, and who waits for one of them."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from pydantic import JsonValue

from shared.jsonvalue import JsonObject


@dataclass(slots=True)
class Connection:
    """One TCP connection; times are of `time.monotonic`, which all processes here share."""

    number: int
    opened: float
    closed: float | None = None
    requests: int = 0


@dataclass(slots=True)
class Seen:
    """One request; the body is None if it was no JSON object."""

    number: int
    connection: int
    path: str
    headers: dict[str, str]
    body: dict[str, JsonValue] | None
    at: float
    sent: int = 0  # bytes of the answer's body


@dataclass(slots=True)
class Ask:
    """What a request wanted: the text of the last user, answered after so many answers.

    Its `number` is the request's; `ended` is when its answer had gone out to its end.
    """

    number: int
    text: str
    answers: int
    ended: float | None = None


class Recorder:
    """Everything since the start or the last `forget`; the numbers go on for ever."""

    def __init__(self) -> None:
        self._connections: dict[int, Connection] = {}
        self._requests: list[Seen] = []
        self._asks: list[Ask] = []
        self._attempts: dict[str, int] = {}
        self._numbers = 0
        self._waiters: list[asyncio.Event] = []

    def opened(self) -> Connection:
        self._numbers += 1
        connection = Connection(number=self._numbers, opened=time.monotonic())
        self._connections[connection.number] = connection
        self._notify()
        return connection

    def closed(self, connection: Connection) -> None:
        connection.closed = time.monotonic()
        self._notify()

    def request(
        self,
        connection: Connection,
        path: str,
        headers: Mapping[str, str],
        body: dict[str, JsonValue] | None,
    ) -> Seen:
        connection.requests += 1
        number = len(self._requests) + 1
        named = {name.lower(): value for name, value in headers.items()}
        seen = Seen(number, connection.number, path, named, body, time.monotonic())
        self._requests.append(seen)
        self._notify()
        return seen

    def ask(self, seen: Seen, text: str, answers: int) -> Ask:
        self._asks.append(Ask(seen.number, text, answers))
        return self._asks[-1]

    def attempt(self, key: str) -> int:
        """Count the tries under a key, from 0."""
        self._attempts[key] = self._attempts.get(key, -1) + 1
        return self._attempts[key]

    def forget(self) -> None:
        self._requests.clear()
        self._asks.clear()
        self._attempts.clear()
        for number in [n for n, c in self._connections.items() if c.closed is not None]:
            del self._connections[number]

    def requests(self) -> list[JsonObject]:
        return [asdict(seen) for seen in self._requests]

    def asks(self) -> list[JsonObject]:
        return [asdict(ask) for ask in self._asks]

    def connections(self) -> list[JsonObject]:
        """Every connection that brought a request to a model; the admin's own are left out."""
        return [asdict(c) for c in self._connections.values() if c.requests]

    async def wait(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until something holds that a connection or a request changes."""
        changed = asyncio.Event()
        self._waiters.append(changed)
        try:
            async with asyncio.timeout(seconds):
                while not holds():
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            return False
        finally:
            self._waiters.remove(changed)
        return True

    def _notify(self) -> None:
        for waiter in self._waiters:
            waiter.set()
