"""Start a tool at most once: claim its call before it runs, and write down what came of it."""

import hashlib
from dataclasses import dataclass

import orjson

from shared.chats.machine.change import Change
from shared.chats.model.errors import StepStopped, WorkerDead
from shared.chats.model.lease import Fence
from shared.chats.model.parts import ToolCallPart, ToolResultPart
from shared.chats.model.statuses import Status
from shared.chats.model.tool_runs import RunKey, RunState
from shared.chats.moves.open_calls import OUTCOME_UNKNOWN, error_result
from shared.chats.moves.workers.fence import check_fence
from shared.jsonvalue import JsonValue, storable


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """The call is this step's to run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The call is not to be run: this is its result."""

    result: ToolResultPart


def claim(
    change: Change,
    fence: Fence,
    key: RunKey,
    call: ToolCallPart,
    *,
    rerun: bool,
) -> Claimed | Known:
    """Claim a call under the fence, with the worker alive and the step not stopped.

    One that a lost worker had started is claimed again only with `rerun`; else its outcome is
    unknown from now on. Raises `StaleFence`, `StepStopped`, `WorkerDead`.
    """
    check_fence(change, fence)
    change.unchanged = True  # the ledger is written, the chat is not
    if change.chat.status is not Status.RUNNING:
        raise StepStopped
    if not change.worker_alive:
        raise WorkerDead
    is_new = change.ledger.claim(
        key,
        tool=call.tool_name,
        arguments_hash=arguments_hash(call.args),
        lease_id=fence.lease_id,
        now=change.now,
    )
    return Claimed() if is_new else _claim_known(change, fence, key, call, rerun=rerun)


def _claim_known(
    change: Change, fence: Fence, key: RunKey, call: ToolCallPart, *, rerun: bool
) -> Claimed | Known:
    run = change.ledger.find(key)
    assert run is not None
    if run.result is not None:
        return Known(result=run.result)
    if run.lease_id == fence.lease_id:
        # This very claim, whose COMMIT was answered too late: a step claims a call once.
        return Claimed()
    if rerun:
        change.ledger.claim_again(key, lease_id=fence.lease_id, now=change.now)
        return Claimed()
    unknown = error_result(call, OUTCOME_UNKNOWN, change.now)
    change.ledger.end(key, state=RunState.UNKNOWN, result=unknown, now=change.now)
    return Known(result=unknown)


def record_run(
    change: Change, fence: Fence, key: RunKey, result: ToolResultPart, state: RunState
) -> None:
    """Write down what came of a claimed call. Raises `StaleFence`."""
    check_fence(change, fence)
    change.unchanged = True
    change.ledger.end(key, state=state, result=result, now=change.now)


def arguments_hash(args: JsonValue) -> str:
    """Return the same for the same arguments, whatever the order of their keys."""
    return hashlib.sha256(orjson.dumps(storable(args), option=orjson.OPT_SORT_KEYS)).hexdigest()
