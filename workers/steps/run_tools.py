"""The part of a step that runs built-in tools: on the loop, with the results shown as they come."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from shared.chats.model.messages import Role
from shared.chats.model.parts import ToolResultPart
from shared.chats.moves.workers.begin import Begun
from shared.chats.moves.workers.commit_calls import Committed
from workers.leases.registry import CancelReason, Lease
from workers.steps.calls import Sorted
from workers.steps.deps import StepDeps
from workers.steps.tool_ledger import FencedLedger
from workers.streaming.writer import EpisodeWriter
from workers.tools.attempt import Attempt
from workers.tools.deps import About
from workers.tools.runner import Ran, Runner


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """How far the calls have come, and the open end of their episode."""

    ran: Ran
    writer: EpisodeWriter
    seconds: float


async def run_tools(
    deps: StepDeps,
    lease: Lease,
    begun: Begun,
    at: Committed,
    calls: Sorted,
    known: Mapping[int, ToolResultPart],
) -> Worked:
    """Run the calls to their end, on the loop.

    `known` are results that are there already. Raises what the database raises when it is away
    for too long.
    """
    worker_id = begun.chat.worker_id
    assert worker_id is not None
    ledger = FencedLedger(
        settler=deps.settler,
        fence=at.fence,
        worker_id=worker_id,
        chat_id=lease.chat_id,
        message_id=at.message_id,
    )
    chat = begun.chat
    about = About(
        chat_id=chat.id,
        message_id=at.message_id,
        turn_id=chat.current_turn_id,
        owner=chat.owner,
        labels=chat.labels,
        result_room=deps.machine.limits.result_room(chat.model),
    )
    # Neither the loop nor the threads of tools know of whose delivery they are.
    tools = replace(deps.tools, log=deps.tools.log.bind(chat_id=str(chat.id)))
    attempt = Attempt(deps=tools, about=about, ledger=ledger)
    return await _run(deps, lease, at, attempt, calls, known)


async def _run(
    deps: StepDeps,
    lease: Lease,
    at: Committed,
    attempt: Attempt,
    calls: Sorted,
    known: Mapping[int, ToolResultPart],
) -> Worked:
    started = deps.clock()
    writer = deps.flusher.open(lease.chat_id, at.episode)

    def show(index: int, result: ToolResultPart) -> None:
        if not result.is_media:  # a file is worth waiting for its row
            writer.add(calls.place(index), Role.TOOL, result)

    try:
        for index, result in {**calls.refused, **known}.items():
            show(index, result)
        ran = await _stoppable(deps, lease, Runner(attempt.deps, attempt, show), calls)
        await writer.flush()
    except BaseException:
        writer.close()
        raise
    results = {**known, **ran.results}
    return Worked(
        ran=Ran(results=results, lost=ran.lost), writer=writer, seconds=deps.clock() - started
    )


async def _stoppable(deps: StepDeps, lease: Lease, runner: Runner, calls: Sorted) -> Ran:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        # Who lost the chat has no use for what its tools still come to.
        wanted = lease.reason is not CancelReason.FENCED
        loop.call_soon_threadsafe(runner.stop, deps.tools.grace_seconds if wanted else 0.0)

    if lease.stoppable(stop) is not None:
        return Ran(results={}, lost=lease.reason is CancelReason.FENCED)
    try:
        return await runner.run(calls.to_run)
    finally:
        lease.unstoppable()
