"""A provider that waits for its test, timers without a clock, and one stream between them."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from uuid_utils.compat import uuid7

from shared.chats.model.ids import ChatId, LeaseId
from shared.chats.model.lease import Episode
from tests.unit.steps.ending import NOW
from workers.leases.registry import Lease
from workers.providers.protocol import PromptMessage, Request, StreamEvent
from workers.steps.answer.read_stream import Streamed, read_stream
from workers.steps.guard import Guard, Patience
from workers.streaming.episode import Cap
from workers.streaming.writer import EpisodeWriter
from workers.timers import TimerName

REQUEST = Request(model="m", provider="p", upstream_model="u", messages=tuple[PromptMessage, ...]())


@dataclass(slots=True)
class StillTimer:
    """A timer that only a test lets fire."""

    name: TimerName
    seconds: float
    callback: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass(slots=True)
class StillTimers:
    """A clock that stands still until a test moves it."""

    time: float = 100.0
    running: list[StillTimer] = field(default_factory=list[StillTimer])

    def now(self) -> float:
        return self.time

    def start(self, name: TimerName, seconds: float, fire: Callable[[], None]) -> StillTimer:
        timer = StillTimer(name, seconds, fire)
        self.running.append(timer)
        return timer

    @property
    def armed(self) -> list[tuple[TimerName, float]]:
        return [(timer.name, timer.seconds) for timer in self.running if not timer.cancelled]

    def fire(self, after: float) -> None:
        """Let so many seconds pass, and the one armed timer fire."""
        self.time += after
        [timer] = [timer for timer in self.running if not timer.cancelled]
        self.running.remove(timer)
        timer.callback()


class Puppet:
    """A provider that yields what its test gives it, and ends as it is told."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.opened = asyncio.Event()
        self.closed = asyncio.Event()
        self._given: asyncio.Queue[StreamEvent | BaseException | None] = asyncio.Queue()
        self._taken = asyncio.Event()

    async def stream(self, request: Request) -> AsyncGenerator[StreamEvent, None]:
        self.requests.append(request)
        self.opened.set()
        try:
            while (given := await self._given.get()) is not None:
                if isinstance(given, BaseException):
                    raise given
                yield given
                # Whoever iterates has taken it in by the time that it asks for the next.
                self._taken.set()
        finally:
            self.closed.set()

    async def aclose(self) -> None:
        """Nothing to close."""

    async def say(self, event: StreamEvent) -> None:
        """Yield an event, and return when it has been taken in."""
        self._taken.clear()
        self._given.put_nowait(event)
        await self._taken.wait()

    def end(self, error: BaseException | None = None) -> None:
        self._given.put_nowait(error)


def _flush_nothing(writer: EpisodeWriter, urgent: bool) -> None:
    del writer, urgent


@dataclass(slots=True, kw_only=True)
class Playing:
    """A stream under way."""

    puppet: Puppet
    timers: StillTimers
    lease: Lease
    writer: EpisodeWriter
    task: "asyncio.Task[Streamed]"

    @classmethod
    async def open(cls, lease: Lease | None = None) -> "Playing":
        """Begin to stream, and return once the provider was asked."""
        puppet, timers = Puppet(), StillTimers()
        lease = lease or Lease(chat_id=ChatId(uuid7()), id=LeaseId(uuid7()))
        episode = Episode(history_version=1)
        writer = EpisodeWriter(lease.chat_id, episode, cap=Cap(), wake=_flush_nothing)
        patience = Patience(startup_seconds=60, silence_seconds=300)
        task = asyncio.create_task(
            read_stream(
                puppet,
                REQUEST,
                lease=lease,
                writer=writer,
                guard=Guard(timers, patience, "p"),
                timers=timers,
                now=lambda: NOW,
            )
        )
        opened = asyncio.create_task(puppet.opened.wait())
        await asyncio.wait([task, opened], return_when=asyncio.FIRST_COMPLETED)
        opened.cancel()
        return cls(puppet=puppet, timers=timers, lease=lease, writer=writer, task=task)
