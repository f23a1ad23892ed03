"""An API process without a network: one watch, its clients, and whoever reads for them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from api.stream.client import Client, StreamRequest
from api.stream.cursor import parse_cursor
from api.stream.feed import Feed, FeedRead
from api.stream.send_buffer import SendBuffer
from api.stream.stop_condition import Until
from shared.chats.model.chat import Chat
from shared.chats.model.ids import ChatId
from shared.chats.reads.stream import StreamView
from shared.events.types import PartEntry
from shared.metrics.metrics import Metrics
from tests.unit.stream.memory_chat import MemoryChat
from tests.unit.stream.reading import Reading, Sent, parse


@dataclass(slots=True)
class Clock:
    """Time that passes when a test says so."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class Process:
    """Watches one world. `heard` counts the notes that are over, missed ones included."""

    world: MemoryChat
    heard: int = 0
    deaf: bool = False
    missed: bool = False
    clock: Clock = field(default_factory=Clock)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    reads: int = 0
    started: tuple[FeedRead, StreamView, Sequence[PartEntry]] | None = None
    watch: Feed = field(init=False)

    def __post_init__(self) -> None:
        self.heard = len(self.world.notes)
        self.watch = Feed(
            ChatId(self.world.chat.id), clock=self.clock, metrics=Metrics(self.registry)
        )

    def join(self, request: StreamRequest | None = None, *, limit: int = 1000) -> Client:
        client = Client(request or StreamRequest(may_read=anybody), SendBuffer(limit))
        self.watch.add(client)
        return client

    def resume(self, last_id: str, *, until: Until | None = None) -> Client:
        return self.join(StreamRequest(may_read=anybody, place=parse_cursor(last_id), until=until))

    def hear(self) -> None:
        """Hear what was published since."""
        notes = self.world.notes[self.heard :]
        self.heard = len(self.world.notes)
        if self.deaf:
            self.missed = self.missed or bool(notes)
            return
        for note in notes:
            self.watch.hear(note)

    def reconnect(self) -> None:
        """Hear again, from now on, and read for everybody."""
        self.heard = len(self.world.notes)
        self.deaf = self.missed = False
        self.watch.resync()

    def start_read(self) -> None:
        """Ask the database and the buffer; the answer is on its way."""
        if self.started is not None:
            return
        read = self.watch.next_read()
        if read is not None:
            self.reads += 1
            view = self.world.view(read.since)
            entries = tuple(self.world.buffer) if read.parts else ()
            self.started = (read, view, entries)

    def end_read(self) -> None:
        """Let the answer arrive."""
        if self.started is not None:
            read, view, entries = self.started
            self.started = None
            self.watch.apply(read, view, entries)

    async def settle(self, client: Client, *, give_up_after: int = 200) -> list[Sent]:
        """Hear and read until nothing is left to do; return what this client got."""
        self.hear()
        got: list[Sent] = []
        for _ in range(give_up_after):
            self.end_read()
            self.start_read()
            got += await take(client)
            if self.started is None and not _wants(client):
                seconds = self.watch.next_read_in()
                if seconds is None:
                    return got
                self.clock.now += seconds
        raise AssertionError("it reads for ever")

    async def read_all(self, client: Client, reading: Reading) -> None:
        for event in await self.settle(client):
            reading.take(event)


def anybody(_: Chat) -> bool:
    return True


async def take(client: Client) -> list[Sent]:
    """Take what waits for a client, and go on to the next page when that was all."""
    got: list[Sent] = []
    if not client.send_buffer.empty:
        taken = await client.send_buffer.take()
        got = parse(taken or b"")
    _wants(client)
    await asyncio.sleep(0)
    return got


def _wants(client: Client) -> bool:
    """Do as a stream does whose client has taken everything; say whether that was so."""
    if client.gone or not client.paging or client.wanting or client.fetching:
        return False
    client.want()
    return True
