"""Leads a step from its answer, or from calls that were left open, to the commit that ends it."""

from collections.abc import Mapping
from dataclasses import replace

from shared.chats.model.lease import Fence
from shared.chats.model.parts import ToolResultPart
from shared.chats.model.statuses import Move
from shared.chats.model.timing import Spans
from shared.chats.moves.workers.begin import Begun
from shared.chats.moves.workers.commit_calls import Committed
from shared.chats.moves.workers.settle import More, RequireAction, Result, Settlement
from shared.config.catalog import Model
from workers.failpoints import Failpoint
from workers.leases.registry import CancelReason, Lease
from workers.steps.answer.ask import Asked, ask
from workers.steps.calls import Sorted, refused_results, sort_calls
from workers.steps.decide import ToCommit, after_tools, decide, find_leftover, local_calls
from workers.steps.deps import StepDeps
from workers.steps.prompt.available_tools import available_tools
from workers.steps.recorder import Stage
from workers.steps.result import make_result
from workers.steps.run_tools import run_tools
from workers.streaming.writer import EpisodeWriter


def answer(deps: StepDeps, lease: Lease, begun: Begun) -> Settlement | None:
    """Ask the model, run what it calls for, and write; None = nothing of it was written."""
    played = ask(deps, lease, begun)
    if played is None:
        return None
    deps.reached(Failpoint.STREAMED)
    lease.unstoppable()
    settlement = None
    try:
        if played.streamed.stopped is not CancelReason.FENCED:
            settlement = _conclude(deps, lease, begun, played)
            if settlement is not None:
                _count_stream(deps, played)
    finally:
        # The flusher would keep the buffer of an open episode alive for ever.
        deps.loop.submit(_end_episode(played.writer, settlement))
    return settlement


def go_on(deps: StepDeps, lease: Lease, begun: Begun) -> Settlement | None:
    """Finish the calls that an earlier step has left open, without asking the model again."""
    left = find_leftover(begun, available_tools(deps.registry, begun.chat), deps.now())
    at = Committed(fence=begun.fence, message_id=left.message_id, episode=begun.chat.episode)
    return _work(deps, lease, begun, at, left.calls, left.known)


def _conclude(deps: StepDeps, lease: Lease, begun: Begun, played: Asked) -> Settlement | None:
    now = deps.now()
    result = make_result(begun, played.model, played.streamed, max_steps=deps.max_steps, now=now)
    if not isinstance(result.ending, More):
        return _settle(deps, lease, begun.fence, result, played.asked)
    # Its first row is the answer: without one there is nothing to go on with.
    said, *_ = result.ending.rows
    offer = available_tools(deps.registry, begun.chat)
    calls = sort_calls(local_calls(said.content), offer, now)
    result = replace(result, refused=refused_results(calls, offer, begun.chat.model))
    match decide(begun, result, said, calls, now):
        case ToCommit() as plan:
            return _commit(deps, lease, begun, played, plan)
        case Result() as decided:
            return _settle(deps, lease, begun.fence, decided, played.asked)


def _count_stream(deps: StepDeps, played: Asked) -> None:
    deps.recorder.stage(Stage.PROVIDER, played.streamed.seconds)
    if played.model is not None and played.streamed.first_part_seconds is not None:
        deps.recorder.first_part(played.model, played.streamed.first_part_seconds)


def _commit(
    deps: StepDeps, lease: Lease, begun: Begun, played: Asked, plan: ToCommit
) -> Settlement | None:
    deps.reached(Failpoint.ANSWERED)
    started = deps.clock()
    at = deps.settler.commit_calls(lease.chat_id, begun.fence, plan.commitment)
    if at is None:
        return None
    deps.recorder.stage(Stage.SETTLE, deps.clock() - started)
    if isinstance(at, Settlement):
        deps.recorder.settled(played.asked, at.move)
        return at
    deps.reached(Failpoint.COMMITTED)
    deps.loop.submit(_end_episode(played.writer, None))
    return _work(deps, lease, begun, at, plan.calls, {})


def _work(
    deps: StepDeps,
    lease: Lease,
    begun: Begun,
    at: Committed,
    calls: Sorted,
    known: Mapping[int, ToolResultPart],
) -> Settlement | None:
    worked = run_tools(deps, lease, begun, at, calls, known)
    if worked is None:
        return None
    try:
        if worked.ran.lost:
            return None
        deps.recorder.stage(Stage.TOOLS, worked.seconds)
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
        deps.loop.submit(_end_episode(worked.writer, None))


def _settle(
    deps: StepDeps, lease: Lease, fence: Fence, result: Result, model: Model | None
) -> Settlement | None:
    pauses = isinstance(result.ending, RequireAction)
    deps.reached(Failpoint.SETTLING)
    if pauses:
        deps.reached(Failpoint.PAUSING)
    started = deps.clock()
    updated = deps.settler.settle(lease.chat_id, fence, result)
    if updated is None:
        return None
    if pauses:
        deps.reached(Failpoint.PAUSED)
    settlement = updated.value
    backs_off = settlement.move is Move.RECORD_RETRY
    deps.reached(Failpoint.RETRIED if backs_off else Failpoint.SETTLED)
    deps.recorder.stage(Stage.SETTLE, deps.clock() - started)
    deps.recorder.settled(model, settlement.move)
    return settlement


async def _end_episode(writer: EpisodeWriter, settlement: Settlement | None) -> None:
    if settlement is not None and settlement.move is Move.RECORD_RETRY:
        writer.discard()
    else:
        writer.close()
