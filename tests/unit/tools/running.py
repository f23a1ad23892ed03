"""A runner with a ledger in memory and timers that only a test lets fire."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Lock

import structlog
from uuid_utils.compat import uuid7

from shared.chats.model.ids import ChatId, MessageId, TurnId
from shared.chats.model.parts import ToolCallPart, ToolResultPart
from shared.chats.model.tool_runs import RunState
from shared.chats.moves.workers.claim_tool import Claimed, Known
from shared.chats.rules.result_room import room_of
from shared.config.catalog import Model
from shared.jsonvalue import JsonValue
from shared.tools.spec import Tool, tool
from tests.unit.steps.ending import NOW
from tests.unit.steps.playing import StillTimers
from workers.failpoints import Reached, pass_by
from workers.timers import TimerName
from workers.tools.attempt import Attempt
from workers.tools.call import Call
from workers.tools.deps import About, ToolDeps
from workers.tools.runner import Ran, Runner

LIMIT_SECONDS = 120.0
GRACE_SECONDS = 1.0
WAIT_SECONDS = 10.0
SMALL = Model(name="small", provider="p", upstream_model="u", context_limit=1000)


@dataclass(slots=True)
class MemoryLedger:
    """Keeps claims and results; raises what a test has put in."""

    known: dict[int, ToolResultPart] = field(default_factory=dict[int, ToolResultPart])
    claim_error: Exception | None = None
    record_error: Exception | None = None
    claiming: Event | None = None
    recording: Event | None = None
    claimed: list[int] = field(default_factory=list[int])
    ended: dict[int, RunState] = field(default_factory=dict[int, RunState])
    _lock: Lock = field(default_factory=Lock)

    def claim(self, call: Call) -> Claimed | Known:
        if self.claiming is not None:
            assert self.claiming.wait(WAIT_SECONDS)
        if self.claim_error is not None:
            raise self.claim_error
        if call.index in self.known:
            return Known(result=self.known[call.index])
        with self._lock:
            self.claimed.append(call.index)
        return Claimed()

    def record(
        self, call: Call, result: ToolResultPart, state: RunState, *, truncated: bool
    ) -> None:
        del result, truncated
        if self.recording is not None:
            assert self.recording.wait(WAIT_SECONDS)
        if self.record_error is not None:
            raise self.record_error
        with self._lock:
            self.ended.setdefault(call.index, state)


@dataclass(slots=True)
class Stage:
    """Everything about one run of calls, as its test sees it."""

    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    timers: StillTimers = field(default_factory=StillTimers)
    slots: int = 10
    reached: Reached = pass_by
    shown: list[int] = field(default_factory=list[int])

    def run(
        self, *calls: Call, meanwhile: Callable[[Runner], Awaitable[None]] | None = None
    ) -> Ran:
        """Run the calls, and do something beside them."""

        async def main() -> Ran:
            runner = Runner(
                self._deps(),
                Attempt(deps=self._deps(), about=ABOUT, ledger=self.ledger),
                lambda index, _: self.shown.append(index),
            )
            ran = asyncio.create_task(runner.run(calls))
            if meanwhile is not None:
                await meanwhile(runner)
            async with asyncio.timeout(WAIT_SECONDS):
                return await ran

        return asyncio.run(main())

    def _deps(self) -> ToolDeps:
        return ToolDeps(
            slots=asyncio.Semaphore(self.slots),
            seconds=LIMIT_SECONDS,
            grace_seconds=GRACE_SECONDS,
            start_limit=partial(self.timers.start, TimerName.TOOL),
            start_grace=partial(self.timers.start, TimerName.GRACE),
            now=lambda: NOW,
            reached=self.reached,
            log=structlog.stdlib.get_logger(),
        )


ABOUT = About(
    chat_id=ChatId(uuid7()),
    message_id=MessageId(7),
    turn_id=TurnId(uuid7()),
    owner="ann",
    labels={"team": "red"},
    result_room=room_of(SMALL.context_limit),
)


def call_of(tool: Tool, index: int = 0, **arguments: object) -> Call:
    args: Mapping[str, JsonValue] = {}
    asked = ToolCallPart(tool_call_id=f"c{index}", tool_name=tool.name, args=args)
    return Call(index=index, asked=asked, tool=tool, arguments=arguments)


async def until(event: Event) -> None:
    """Wait for a thread without stopping the loop."""
    assert await asyncio.to_thread(event.wait, WAIT_SECONDS)


async def armed(stage: Stage, name: TimerName) -> None:
    """Wait until a timer runs: the thread says so before it calls its function."""
    while not any(armed == name for armed, _ in stage.timers.armed):
        await asyncio.sleep(0)


def blocking(begun: Event, go: Event) -> Tool:
    """A tool that takes no notice of anything until `go`."""

    @tool
    def block() -> str:
        """Take no notice of anything."""
        begun.set()
        assert go.wait(WAIT_SECONDS)
        return "at last"

    return block
