"""Runs the built-in calls of one step side by side, each in a thread of its own."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from shared.chats.model.errors import ChatNotFound, StaleFence, StepStopped, WorkerDead
from shared.chats.model.parts import ToolResultPart
from workers.tools.attempt import Attempt
from workers.tools.call import Call, Run
from workers.tools.deps import Timer, ToolDeps
from workers.tools.threads import in_thread

_LOST = (StaleFence, ChatNotFound, WorkerDead)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """The results by the calls' places; one without was stopped, or the step `lost` its chat."""

    results: Mapping[int, ToolResultPart]
    lost: bool


class Runner:
    """The calls of one step. Lives on the loop; only the tools themselves are elsewhere.

    `runs` are those that were started.
    """

    def __init__(
        self, deps: ToolDeps, attempt: Attempt, show: Callable[[int, ToolResultPart], None]
    ) -> None:
        """Take where a result goes the moment it is there: `show(place of the call, result)`."""
        self._deps = deps
        self._attempt = attempt
        self._show = show
        self._results: dict[int, ToolResultPart] = {}
        self.runs: list[Run] = []
        self._stopping = False
        self._lost = False
        self._over = asyncio.Event()
        self._grace: Timer | None = None
        self._loop = asyncio.get_running_loop()

    async def run(self, calls: Sequence[Call]) -> Ran:
        """Run all of them to their ends, or until they are stopped and the grace is over.

        Raises what the database raises when it is away for too long.
        """
        tasks = [asyncio.create_task(self._one(call)) for call in calls]
        over = asyncio.create_task(self._over.wait())
        try:
            await self._wait(tasks, over)
        finally:
            self._leave([*tasks, over])
        return Ran(results=self._results, lost=self._lost)

    def stop(self, grace_seconds: float) -> None:
        """Tell the tools to stop, start no more, and wait that long for those that run."""
        self._stopping = True
        for run in self.runs:
            run.cancellation.cancel()
        if self._grace is not None:
            self._grace.cancel()
        if grace_seconds > 0:
            self._grace = self._deps.start_grace(grace_seconds, self._over.set)
        else:
            self._over.set()

    async def _wait(self, tasks: Collection[asyncio.Task[None]], over: asyncio.Task[bool]) -> None:
        left: set[asyncio.Task[None]] = set(tasks)
        while left and not over.done():
            waited: set[asyncio.Task[None] | asyncio.Task[bool]] = {*left, over}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in left if task.done()]:
                left.discard(task)
                task.result()

    def _leave(self, tasks: Sequence[asyncio.Task[None] | asyncio.Task[bool]]) -> None:
        """Turn away from what still runs; what has ended counts, recorded or not."""
        if self._grace is not None:
            self._grace.cancel()
        for task in tasks:
            task.cancel()
        for run in self.runs:
            if run.give_up():
                self._deps.log.warning("tool.abandoned", tool=run.call.tool.name)
            elif run.result is not None and run.call.index not in self._results:
                self._take(run, run.result)

    async def _one(self, call: Call) -> None:
        async with self._deps.slots:
            if self._stopping:
                return
            run = Run(call)
            self.runs.append(run)
            try:
                result = await self._ended(run)
            except StepStopped:
                self.stop(self._deps.grace_seconds)
            except _LOST:
                self._lost = True
                self.stop(0.0)
            else:
                if result is not None:
                    self._take(run, result)

    def _take(self, run: Run, result: ToolResultPart) -> None:
        self._results[run.call.index] = result
        self._show(run.call.index, result)

    async def _ended(self, run: Run) -> ToolResultPart | None:
        """Wait for the tool, or for the end of its time."""
        limit = _Limit(self._deps, run, self._attempt.seconds(run.call))

        def begins() -> None:
            self._loop.call_soon_threadsafe(limit.begin)

        work = in_thread(lambda: self._attempt.make(run, begins), name=f"tool-{run.call.tool.name}")
        try:
            await asyncio.wait({work, limit.over}, return_when=asyncio.FIRST_COMPLETED)
            # Told to stop it may have ended by now, which does not make it come in time.
            if limit.over.done():
                return await self._too_late(run)
            return work.result()
        finally:
            limit.end()

    async def _too_late(self, run: Run) -> ToolResultPart:
        self._deps.log.warning("tool.timed_out", tool=run.call.tool.name)
        result = run.result = self._attempt.give_up(run)
        await in_thread(lambda: self._attempt.record_given_up(run, result), name="tool-given-up")
        return result


class _Limit:
    """The time of one run: `over` is done when it is, and the tool had not ended before."""

    def __init__(self, deps: ToolDeps, run: Run, seconds: float) -> None:
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._deps = deps
        self._run = run
        self._seconds = seconds
        self._timer: Timer | None = None

    def begin(self) -> None:
        """Let the time run, unless the run has ended already."""
        if not self.over.done():
            self._timer = self._deps.start_limit(self._seconds, self._expire)

    def end(self) -> None:
        """Stop it."""
        self.over.cancel()
        if self._timer is not None:
            self._timer.cancel()

    def _expire(self) -> None:
        if self._run.give_up() and not self.over.done():
            self.over.set_result(None)
