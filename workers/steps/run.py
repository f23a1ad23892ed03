"""Runs one step: begin, play, settle, and the outcome for the queue."""

from sqlalchemy.exc import SQLAlchemyError

from shared.chats.model.errors import ChatNotFound, WorkerDead
from shared.chats.model.ids import ChatId, LeaseId, WorkerId
from shared.chats.model.statuses import Move
from shared.chats.moves.workers.begin import Beginning, Begun, GivenUp, NotDue, NothingToDo, begin
from shared.chats.moves.workers.settle import Settlement
from shared.db.outage import is_outage
from workers.failpoints import Failpoint
from workers.leases.registry import Lease
from workers.steps.deps import StepDeps
from workers.steps.outcome import Lost, Outcome, RetryLater, Settled, Stale
from workers.steps.pipeline import answer, go_on
from workers.steps.title import improve_title
from workers.worker_metrics import Stage

_BEGIN_AGAIN_SECONDS = 1.0


def run_step(deps: StepDeps, chat_id: ChatId) -> Outcome:
    """Take one step of a chat, if there is one to take. Called in a task thread."""
    # Read before the lease is registered: a death in between takes the one or the other, so that
    # no step runs under a new id with a lease that fell with the old one.
    worker_id = deps.worker_id()
    lease = deps.leases.open(chat_id, LeaseId(deps.new_id()))
    try:
        deps.reached(Failpoint.BEGINNING)
        beginning = _begin(deps, lease, worker_id)
        match beginning:
            case Begun():
                lease.confirmed = True
                deps.reached(Failpoint.BEGUN)
                lead = go_on if beginning.waiting else answer
                return _outcome(deps, beginning, lead(deps, lease, beginning))
            case NotDue(remaining_seconds=seconds):
                return RetryLater(delay_seconds=seconds)
            case GivenUp():
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
        with deps.machine.begin(lease.chat_id, worker_id) as change:
            beginning = begin(change, worker_id=worker_id, lease_id=lease.id)
    except ChatNotFound:
        return NothingToDo()
    except WorkerDead:
        # The next renewal gives this process a new id.
        return RetryLater(delay_seconds=_BEGIN_AGAIN_SECONDS)
    except SQLAlchemyError as error:
        if not is_outage(error):
            raise
        deps.log.warning("begin.postponed", error=type(error).__name__)
        return RetryLater(delay_seconds=_BEGIN_AGAIN_SECONDS)
    if isinstance(beginning, Begun):
        deps.metrics.stage(Stage.BEGIN, deps.clock() - started)
        deps.metrics.stage(Stage.QUEUE, beginning.queued_seconds)
    return beginning


def _outcome(deps: StepDeps, begun: Begun, settlement: Settlement | Lost) -> Outcome:
    if isinstance(settlement, Lost):
        return Stale()
    if settlement.move is Move.SETTLE_FINISH:
        improve_title(deps, begun)
    if settlement.retry_in_seconds is not None:
        return RetryLater(delay_seconds=settlement.retry_in_seconds)
    return Settled()
