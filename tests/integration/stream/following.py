"""A client of a real stream, and somebody who speaks in a real chat."""

import http.client
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from shared.chats.model.ids import ChatId
from shared.chats.model.lease import Episode
from shared.chats.model.messages import Role
from shared.chats.model.parts import TextPart
from shared.metrics.metrics import Metrics
from shared.redis.connection import open_async_redis
from tests.integration.api.served import Client
from tests.unit.stream.reading import Reading, Sent, parse
from workers.loop import LoopThread
from workers.streaming.flusher import Flusher
from workers.streaming.writer import EpisodeWriter
from workers.worker_metrics import WorkerMetrics

PATIENCE_SECONDS = 15


@dataclass(slots=True)
class Follower:
    """An open stream, read event by event."""

    response: http.client.HTTPResponse
    reading: Reading = field(default_factory=Reading)
    events: list[Sent] = field(default_factory=list[Sent])
    comments: int = 0

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.events]

    def block(self) -> bytes:
        """Return the lines up to the next empty one, nothing at the end of the stream."""
        lines: list[bytes] = []
        while line := self.response.readline():
            lines.append(line)
            if line == b"\n":
                break
        return b"".join(lines)

    def next(self) -> Sent | None:
        """Return the next event; None at the end."""
        while block := self.block():
            self.comments += block.startswith(b":")
            for event in parse(block):
                self.events.append(event)
                self.reading.take(event)
                return event
        return None

    def until(self, enough: Callable[[Reading], bool]) -> None:
        """Read on until the reading says so. The stream's end comes too early."""
        while not enough(self.reading):
            assert self.next() is not None, self.names

    def rest(self) -> list[str]:
        """Read to the end and return the names of what came."""
        before = len(self.events)
        while self.next() is not None:
            pass
        return self.names[before:]


@contextmanager
def following(
    client: Client,
    chat_id: ChatId,
    query: str = "",
    *,
    headers: Mapping[str, str] | None = None,
) -> Generator[Follower]:
    connection = http.client.HTTPConnection(client.host, client.port, timeout=PATIENCE_SECONDS)
    sent = {"Authorization": f"Bearer {client.key}", **(headers or {})}
    try:
        connection.request("GET", f"/v1/chats/{chat_id}/stream{query}", headers=sent)
        yield Follower(connection.getresponse())
    finally:
        connection.close()


class Speaker:
    """The part of a worker that streams: a loop of its own, with a flusher."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._loop = LoopThread()
        self._flusher: Flusher | None = None
        self.dropped = 0

    def __enter__(self) -> Self:
        self._loop.start()
        self._loop.run(self._start())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.run(self._stop())
        self._loop.stop()

    def open(self, chat_id: ChatId, episode: Episode) -> EpisodeWriter:
        async def opened() -> EpisodeWriter:
            assert self._flusher is not None
            return self._flusher.open(chat_id, episode)

        return self._loop.run(opened())

    def say(self, writer: EpisodeWriter, text: str) -> bool:
        """Say it and wait until it is published; False = Redis is away."""

        async def said() -> bool:
            writer.add(0, Role.ASSISTANT, TextPart(text=text))
            return await writer.flush(timeout=1)

        return self._loop.run(said())

    def flush(self, writer: EpisodeWriter) -> bool:
        return self._loop.run(writer.flush(timeout=PATIENCE_SECONDS))

    async def _start(self) -> None:
        self._redis = open_async_redis(self._url)
        self._flusher = Flusher(
            self._redis, metrics=WorkerMetrics(Metrics.noop(), busy_slots=lambda: 0)
        )
        self._flusher.start()

    async def _stop(self) -> None:
        assert self._flusher is not None
        await self._flusher.stop()
        await self._redis.aclose()
