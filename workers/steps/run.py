"""Runs one step: begin, play, settle, and the outcome for the queue."""

from datetime import UTC, datetime

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.chats.drive.begin import Beginning, Begun, GivenUp, NotDue, NothingToDo, begin
from shared.chats.drive.settle import Failed, Result, Settlement
from shared.chats.errors import ChatNotFound, WorkerDead
from shared.chats.states import Move
from shared.chats.types import ChatId, LeaseId, WorkerId
from shared.config.catalog import Model
from shared.events.writer import EpisodeWriter
from workers.leases import CancelReason, Lease
from workers.steps.deps import StepDeps
from workers.steps.outcome import Outcome, RetryLater, Settled, Stale
from workers.steps.play import Played, play
from workers.steps.recorder import Stage
from workers.steps.result import make_result
from workers.steps.settle import is_passing

_BEGIN_AGAIN_SECONDS = 1.0


def run_step(deps: StepDeps, chat_id: ChatId) -> Outcome:
    """Take one step of a chat, if there is one to take. Called in a task thread."""
    # Read before the lease is registered: a death in between takes the one or the other, so that
    # no step runs under a new id with a lease that fell with the old one.
    worker_id = deps.worker_id()
    lease = deps.leases.open(chat_id, LeaseId(deps.new_id()))
    try:
        beginning = _begin(deps, lease, worker_id)
        match beginning:
            case Begun():
                lease.confirmed = True
                return _run(deps, lease, beginning)
            case NotDue(remaining_seconds=seconds):
                return RetryLater(delay_seconds=seconds)
            case GivenUp():
                deps.recorder.settled(None, Move.FAIL_LOST)
                return Settled()
            case NothingToDo():
                return Stale()
            case RetryLater():
                return beginning
    finally:
        deps.leases.close(lease)


def _begin(deps: StepDeps, lease: Lease, worker_id: WorkerId) -> Beginning | RetryLater:
    started = deps.clock()
    try:
        updated = deps.machine.begin(
            lease.chat_id,
            worker_id,
            lambda change, locked: begin(change, locked, worker_id=worker_id, lease_id=lease.id),
        )
    except ChatNotFound:
        return NothingToDo()
    except WorkerDead:
        # The next renewal gives this process a new id.
        return RetryLater(delay_seconds=_BEGIN_AGAIN_SECONDS)
    except (DBAPIError, PoolTimeout) as error:
        if not is_passing(error):
            raise
        deps.log.warning("begin.postponed", error=type(error).__name__)
        return RetryLater(delay_seconds=_BEGIN_AGAIN_SECONDS)
    if isinstance(updated.value, Begun):
        deps.recorder.stage(Stage.BEGIN, deps.clock() - started)
        deps.recorder.stage(Stage.QUEUE, updated.value.queued_seconds)
    return updated.value


def _run(deps: StepDeps, lease: Lease, begun: Begun) -> Outcome:
    played = play(deps, lease, begun)
    if played is None:
        return Stale()
    settlement = None
    lease.unstoppable()
    try:
        if played.streamed.stopped is not CancelReason.FENCED:
            settlement = _settle(deps, lease, begun, played)
    finally:
        # The flusher would keep the buffer of an open episode alive for ever.
        deps.loop.submit(_end_episode(played.writer, settlement))
    if settlement is None:
        return Stale()
    if settlement.retry_in_seconds is not None:
        return RetryLater(delay_seconds=settlement.retry_in_seconds)
    return Settled()


def _settle(deps: StepDeps, lease: Lease, begun: Begun, played: Played) -> Settlement | None:
    result = make_result(
        begun, played.model, played.streamed, max_steps=deps.max_steps, now=datetime.now(UTC)
    )
    started = deps.clock()
    updated = deps.settler.settle(lease.chat_id, begun.fence, result)
    if updated is None:
        return None
    deps.recorder.stage(Stage.SETTLE, deps.clock() - started)
    _record(deps, played, result, updated.value)
    return updated.value


def _record(deps: StepDeps, played: Played, result: Result, settlement: Settlement) -> None:
    model: Model | None = played.model
    deps.recorder.stage(Stage.PROVIDER, played.streamed.seconds)
    if model is not None and played.streamed.first_part_seconds is not None:
        deps.recorder.first_part(model, played.streamed.first_part_seconds)
    if settlement.move is Move.RECORD_RETRY and isinstance(result.ending, Failed):
        deps.recorder.retried(model, result.ending.failure)
    deps.recorder.settled(model, settlement.move)


async def _end_episode(writer: EpisodeWriter, settlement: Settlement | None) -> None:
    if settlement is not None and settlement.move is Move.RECORD_RETRY:
        writer.discard()
    else:
        writer.close()
