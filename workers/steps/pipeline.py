"""Leads a step from its answer, or from calls that were left open, to the commit that ends it."""

from collections.abc import Coroutine, Mapping
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from shared.chats.model.lease import Fence
from shared.chats.model.parts import ToolResultPart
from shared.chats.model.statuses import Move
from shared.chats.model.timing import Spans
from shared.chats.moves.workers.begin import Begun
from shared.chats.moves.workers.commit_calls import Committed
from shared.chats.moves.workers.settle import RequireAction, Result, Settlement
from shared.config.catalog import Model
from workers.failpoints import Failpoint
from workers.leases.registry import CancelReason, Lease
from workers.steps.answer.ask import Asked, ask
from workers.steps.calls import Sorted
from workers.steps.decide import RunTools, after_tools, find_leftover, next_of, read_answer
from workers.steps.deps import StepDeps
from workers.steps.outcome import Lost
from workers.steps.prompt.available_tools import available_tools
from workers.steps.run_tools import run_tools
from workers.streaming.writer import EpisodeWriter
from workers.worker_metrics import Stage

T = TypeVar("T")


def answer(deps: StepDeps, lease: Lease, begun: Begun) -> Settlement | Lost:
    """Ask the model, run what it calls for, and write."""
    asked = _on_loop(deps, ask(deps, lease, begun))
    if isinstance(asked, Lost):
        return asked
    deps.reached(Failpoint.STREAMED)
    lease.unstoppable()
    settlement: Settlement | Lost = Lost()
    try:
        if asked.streamed.stopped is not CancelReason.FENCED:
            settlement = _conclude(deps, lease, begun, asked)
            if isinstance(settlement, Settlement):
                _count_stream(deps, asked)
    finally:
        # The flusher would keep the buffer of an open episode alive for ever.
        deps.loop.submit(_end_episode(asked.writer, settlement))
    return settlement


def go_on(deps: StepDeps, lease: Lease, begun: Begun) -> Settlement | Lost:
    """Finish the calls that an earlier step has left open, without asking the model again."""
    left = find_leftover(begun, available_tools(deps.registry, begun.chat), deps.now())
    at = Committed(fence=begun.fence, message_id=left.message_id, episode=begun.chat.episode)
    return _work(deps, lease, begun, at, left.calls, left.known)


def _on_loop(deps: StepDeps, coro: Coroutine[Any, Any, T]) -> T | Lost:
    """Run something on the loop and wait; `Lost` = the loop ended, and with it this process."""
    try:
        return deps.loop.run(coro)
    except CancelledError:
        deps.log.warning("step.abandoned")
        return Lost()


def _conclude(deps: StepDeps, lease: Lease, begun: Begun, asked: Asked) -> Settlement | Lost:
    now = deps.now()
    said = read_answer(begun, asked.model, asked.streamed, now)
    if isinstance(said, Result):
        return _settle(deps, lease, begun.fence, said, asked.counted)
    tools = available_tools(deps.registry, begun.chat)
    match next_of(said, begun, tools, max_steps=deps.max_steps, now=now):
        case RunTools() as plan:
            return _commit(deps, lease, begun, asked, plan)
        case Result() as result:
            return _settle(deps, lease, begun.fence, result, asked.counted)


def _count_stream(deps: StepDeps, asked: Asked) -> None:
    deps.metrics.stage(Stage.PROVIDER, asked.streamed.seconds)
    if asked.model is not None and asked.streamed.first_part_seconds is not None:
        deps.metrics.first_part(asked.model, asked.streamed.first_part_seconds)


def _commit(
    deps: StepDeps, lease: Lease, begun: Begun, asked: Asked, plan: RunTools
) -> Settlement | Lost:
    deps.reached(Failpoint.ANSWERED)
    started = deps.clock()
    at = deps.settler.commit_calls(lease.chat_id, begun.fence, plan.commitment)
    if isinstance(at, Lost):
        return at
    deps.metrics.stage(Stage.SETTLE, deps.clock() - started)
    if isinstance(at, Settlement):
        deps.metrics.settled(asked.counted, at.move)
        return at
    deps.reached(Failpoint.COMMITTED)
    deps.loop.submit(_end_episode(asked.writer, Lost()))
    return _work(deps, lease, begun, at, plan.calls, {})


def _work(
    deps: StepDeps,
    lease: Lease,
    begun: Begun,
    at: Committed,
    calls: Sorted,
    known: Mapping[int, ToolResultPart],
) -> Settlement | Lost:
    worked = _on_loop(deps, run_tools(deps, lease, begun, at, calls, known))
    if isinstance(worked, Lost):
        return worked
    try:
        if worked.ran.lost:
            return Lost()
        deps.metrics.stage(Stage.TOOLS, worked.seconds)
        result = after_tools(
            begun.chat.current_turn_id,
            calls,
            worked.ran.results,
            reason=lease.reason,
            spans=Spans(tools=worked.seconds),
            now=deps.now(),
        )
        model = deps.catalog.models.get(begun.chat.model)
        return _settle(deps, lease, at.fence, result, model)
    finally:
        deps.loop.submit(_end_episode(worked.writer, Lost()))


def _settle(
    deps: StepDeps, lease: Lease, fence: Fence, result: Result, model: Model | None
) -> Settlement | Lost:
    pauses = isinstance(result.ending, RequireAction)
    deps.reached(Failpoint.SETTLING)
    if pauses:
        deps.reached(Failpoint.PAUSING)
    started = deps.clock()
    settlement = deps.settler.settle(lease.chat_id, fence, result)
    if isinstance(settlement, Lost):
        return settlement
    if pauses:
        deps.reached(Failpoint.PAUSED)
    backs_off = settlement.move is Move.RECORD_RETRY
    deps.reached(Failpoint.RETRIED if backs_off else Failpoint.SETTLED)
    deps.metrics.stage(Stage.SETTLE, deps.clock() - started)
    deps.metrics.settled(model, settlement.move)
    return settlement


async def _end_episode(writer: EpisodeWriter, settlement: Settlement | Lost) -> None:
    if isinstance(settlement, Settlement) and settlement.move is Move.RECORD_RETRY:
        writer.discard()
    else:
        writer.close()
