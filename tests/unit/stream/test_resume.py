"""Whatever happens to a chat and whenever a client is cut off, it ends up with all of it."""

import asyncio
from dataclasses import dataclass, field

from hypothesis import example, given, settings
from hypothesis import strategies as st

from api.stream.client import Client
from shared.chats.model.parts import TextPart
from shared.chats.model.statuses import Status
from tests.unit.stream.memory_chat import MemoryChat
from tests.unit.stream.process import Process, take
from tests.unit.stream.reading import Reading, Sent

ONCE = (
    "edit",
    "interrupt",
    "entitle",
    "rewrite",
    "haunt",
    "finish",
    "commit_calls",
    "more",
    "compact",
    "require_action",
    "record_retry",
    "fail",
    "lose",
)
MOVES = (*ONCE, *["send", "retry", "submit"] * 2, *["begin"] * 6, *["say"] * 15)
"""Most of the time a chat that works should say something."""

TRAFFIC = ("hear", "hear", "start_read", "end_read", "deaf", "reconnect", "take", "check", "check")

moves = st.tuples(st.just("move"), st.sampled_from(MOVES), st.integers(0, 2))
traffic = st.tuples(st.sampled_from(TRAFFIC), st.sampled_from(["one", "other"]), st.just(0))
cuts = st.tuples(st.just("cut"), st.just("other"), st.integers(0, 8))
restarts = st.tuples(st.just("restart"), st.just("other"), st.integers(0, 8))
histories = st.lists(st.one_of(moves, moves, traffic, cuts, restarts), min_size=50, max_size=200)


@dataclass(slots=True)
class Connected:
    """A client in its own process, and what it has put together."""

    process: Process
    client: Client
    reading: Reading = field(default_factory=Reading)
    events: list[Sent] = field(default_factory=list[Sent])

    @property
    def began_at(self) -> int:
        """The snapshot with which the stream began: the ends of turns before it are not told."""
        return int(self.reading.first_id.partition("-")[0].partition(".")[0] or 0)

    async def take(self) -> None:
        for event in await take(self.client):
            self.reading.take(event)
            self.events.append(event)

    async def flow(self) -> None:
        """Get what happens as it happens."""
        if not self.process.deaf:
            self.process.hear()
            self.process.end_read()
            self.process.start_read()
            self.process.end_read()
            await self.take()

    async def cut(self, after: int) -> None:
        """Lose the connection after some of the events that are on their way; come back."""
        for event in (await take(self.client))[:after]:
            self.reading.take(event)
        self.come_back()

    async def restart(self, after: int) -> None:
        """Begin a new stream, as a page that is loaded again; lose it in its beginning."""
        self.process.watch.remove(self.client)
        self.client = self.process.join()
        self.reading = Reading()
        for event in (await self.process.settle(self.client))[:after]:
            self.reading.take(event)
        self.come_back()

    def come_back(self) -> None:
        """Lose the connection and open another."""
        self.process.watch.remove(self.client)
        last_id = self.reading.last_id
        self.client = self.process.resume(last_id) if last_id else self.process.join()

    async def check(self, world: MemoryChat) -> None:
        """Look whether it has everything, unless it may have missed something."""
        self.process.hear()
        if not self.process.missed:
            await self.settle()
            check(world, self.reading, since=self.began_at)

    async def reconnect(self) -> None:
        self.process.reconnect()
        await self.settle()

    async def settle(self) -> None:
        for event in await self.process.settle(self.client):
            self.reading.take(event)
            self.events.append(event)


def connect(world: MemoryChat) -> Connected:
    process = Process(world)
    return Connected(process=process, client=process.join())


async def play(world: MemoryChat, steps: list[tuple[str, str, int]]) -> dict[str, Connected]:
    both = {"one": connect(world), "other": connect(world)}
    for each in both.values():
        await each.settle()
    for kind, who, count in steps:
        match kind:
            case "move":
                getattr(world, who)()
                for each in list(both.values())[:count]:
                    await each.flow()
            case "deaf":
                both[who].process.deaf = True
            case "take":
                await both[who].take()
            case "check":
                await both[who].check(world)
            case "cut":
                await both[who].cut(count)
            case "restart":
                await both[who].restart(count)
            case _:
                getattr(both[who].process, kind)()
    return both


def check(world: MemoryChat, reading: Reading, *, since: int = 0) -> None:
    """Compare what a client has, of the ends of turns since it began, with what there is."""
    chat = world.chat
    assert reading.messages == world.visible
    assert (reading.status, reading.title) == (chat.status.value, chat.title)
    assert reading.queue == [queued.id for queued in world.queue]
    if chat.status is Status.ERROR:
        assert chat.last_error is not None
        assert reading.error == chat.last_error.message
    assert reading.calls == [call.tool_call_id for call in chat.pending_calls]
    for turn in world.turns.values():
        if turn.revision is not None and turn.revision > since:
            assert reading.turns[str(turn.turn_id)] == turn.status.value
    preview: dict[int, str] = {}
    for entry in world.buffer:
        assert isinstance(entry.delta, TextPart)
        preview[entry.index] = preview.get(entry.index, "") + entry.delta.text
    assert reading.preview == preview


async def resume(world: MemoryChat, reading: Reading) -> list[Sent]:
    """Come back to another process, from the last event that arrived."""
    process = Process(world)
    return await process.settle(process.resume(reading.last_id))


def replay(events: list[Sent]) -> Reading:
    reading = Reading()
    for event in events:
        reading.take(event)
    return reading


@settings(max_examples=200, deadline=None)
@given(histories)
def test_a_client_that_is_cut_off_again_and_again_misses_nothing(
    steps: list[tuple[str, str, int]],
) -> None:
    async def scenario() -> None:
        world = MemoryChat()
        for each in (await play(world, steps)).values():
            await each.reconnect()
            check(world, each.reading, since=each.began_at)

    asyncio.run(scenario())


@settings(max_examples=25, deadline=None)
@given(histories)
def test_a_client_cut_off_after_any_event_gets_on_from_there(
    steps: list[tuple[str, str, int]],
) -> None:
    async def scenario() -> None:
        world = MemoryChat()
        one = (await play(world, steps))["one"]
        await one.reconnect()
        for after in range(1, len(one.events) + 1):
            resumed = replay(one.events[:after])
            rest = await resume(world, resumed)
            for event in rest:
                resumed.take(event)
            check(world, resumed)
            for again in range(1, len(rest)):
                twice = replay([*one.events[:after], *rest[:again]])
                for event in await resume(world, twice):
                    twice.take(event)
                check(world, twice)

    asyncio.run(scenario())


# Cut off in its beginning after a queue that has emptied since; there are two pages to read.
TWO_PAGES = [
    *(("move", name, 0) for name in ("send", "begin", "commit_calls", "finish", "entitle")),
    *(("move", name, 0) for name in ("send", "entitle")),
    ("restart", "other", 5),
    ("move", "edit", 0),
]


@settings(max_examples=50, deadline=None)
@given(histories)
@example(TWO_PAGES)
def test_a_client_that_has_everything_gets_nothing(steps: list[tuple[str, str, int]]) -> None:
    async def scenario() -> None:
        world = MemoryChat()
        one = (await play(world, steps))["one"]
        await one.reconnect()
        assert await resume(world, one.reading) == []

    asyncio.run(scenario())
