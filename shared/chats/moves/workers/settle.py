"""End a step: choose the move from what the step brings and what it finds under the lock."""

from dataclasses import dataclass, field
from datetime import timedelta

from shared.chats.machine.change import Change
from shared.chats.machine.effects import Retried, ToolResulted
from shared.chats.model.ids import MessageId
from shared.chats.model.lease import Fence
from shared.chats.model.messages import NewMessage, Role
from shared.chats.model.parts import ToolCallPart
from shared.chats.model.statuses import Move, Status, TurnStatus
from shared.chats.model.timing import LONGEST_COUNTDOWN, Spans
from shared.chats.model.turns import ChatError, RetryState
from shared.chats.moves.await_client import wait_for_client
from shared.chats.moves.open_calls import answer_outstanding
from shared.chats.moves.turns import clear_action, next_turn
from shared.chats.moves.workers.fail import fail
from shared.chats.moves.workers.fence import check_fence
from shared.failures import backoff, wording
from shared.failures.kinds import Failure

Rows = tuple[NewMessage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The answer is complete and nothing is left to do."""

    rows: Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class More:
    """The rows are complete, and the model has to see them: one more step."""

    rows: Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class RequireAction:
    """The rows are complete but for the results of these calls, which the client has to send."""

    rows: Rows
    calls: tuple[ToolCallPart, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The attempt failed; what it said is discarded unless a person stops it meanwhile.

    `provider` and `model` are the configured names of whom it asked, for the metrics.
    """

    failure: Failure
    provider: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The worker gives the step back undone: it drains, or never ran what it holds."""

    counts_as_loss: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """A person stopped the step; only what was said until then is kept."""


Ending = Finish | More | RequireAction | Failed | Released | Stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a step brings to its settling.

    `partial` is what is kept if a person stopped it, with a result for every call in it; of one
    that finishes or goes on that is all of its rows. `refused` are calls that were answered without
    being run, to be counted.
    """

    ending: Ending
    partial: Rows = ()
    spans: Spans = field(default_factory=Spans)
    refused: tuple[ToolResulted, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What settling came to; `retry_in_seconds` asks the task to send itself again."""

    move: Move
    retry_in_seconds: float | None = None


def settle(change: Change, fence: Fence, result: Result) -> Settlement:
    """Write a step's end under its fence. Raises `StaleFence`."""
    check_fence(change, fence)
    change.spans = result.spans
    change.effects += result.refused
    if change.chat.status is Status.INTERRUPTING:
        finish_interruption(change, _kept(result), Move.FINISH_INTERRUPTION)
        return Settlement(move=Move.FINISH_INTERRUPTION)
    match result.ending:
        case Finish(rows=rows):
            return _finish(change, rows)
        case More(rows=rows):
            return _more(change, rows)
        case RequireAction(rows=rows, calls=calls):
            return _require_action(change, rows, calls)
        case Failed() as failed:
            return _failed(change, failed)
        case Released(counts_as_loss=counts):
            return _release(change, counts_as_loss=counts)
        case Stopped():
            # Told to stop by a hint, but the row says running: run it again.
            return _release(change, counts_as_loss=False)


def finish_interruption(change: Change, rows: Rows, move: Move) -> None:
    """End an interrupted turn with the rows that are kept of it, and no call left open."""
    answer = _insert_answer(change, rows)
    if answer is None:
        # An answer comes only after all calls before it have their results.
        answer_outstanding(change)
    change.end_turn(TurnStatus.INTERRUPTED, answer=answer)
    clear_action(change.chat)
    change.chat.clear_retry()
    next_turn(change, move, otherwise=Status.WAITING)


def _kept(result: Result) -> Rows:
    match result.ending:
        case Finish(rows=rows) | More(rows=rows):
            return rows
        case _:
            return result.partial


def _finish(change: Change, rows: Rows) -> Settlement:
    answer = _insert_answer(change, rows)
    _count_step(change)
    change.end_turn(TurnStatus.FINISHED, answer=answer)
    change.chat.clear_retry()
    next_turn(change, Move.SETTLE_FINISH, otherwise=Status.WAITING)
    return Settlement(move=Move.SETTLE_FINISH)


def _more(change: Change, rows: Rows) -> Settlement:
    _insert_answer(change, rows)
    _count_step(change)
    change.apply(Move.SETTLE_MORE, Status.PENDING)
    change.wake()
    return Settlement(move=Move.SETTLE_MORE)


def _require_action(change: Change, rows: Rows, calls: tuple[ToolCallPart, ...]) -> Settlement:
    _insert_answer(change, rows)
    _count_step(change)
    wait_for_client(change, calls)
    return Settlement(move=Move.SETTLE_REQUIRE_ACTION)


def _failed(change: Change, failed: Failed) -> Settlement:
    chat, failure = change.chat, failed.failure
    last = change.limits.max_failures and chat.failures + 1 >= change.limits.max_failures
    if not failure.retryable or last:
        fail(change, Move.SETTLE_FAIL, _error(change, failure))
        return Settlement(move=Move.SETTLE_FAIL)
    retried = Retried(
        provider=failed.provider,
        model=failed.model,
        kind=failure.kind.value,
        chain_broken=failure.chain_broken,
    )
    change.effects.append(retried)
    return _record_retry(change, failure)


def _record_retry(change: Change, failure: Failure) -> Settlement:
    chat = change.chat
    seconds = backoff.wait(chat.failures, failure.retry_after)
    if failure.chain_broken and chat.current_turn_id is not None:
        change.change_turn(chat.current_turn_id, chain_disabled=True)
    chat.failures += 1
    chat.retry_at = change.now + timedelta(seconds=seconds)
    chat.retry_state = RetryState(
        attempt=chat.failures,
        delay_ms=round(seconds * 1000),
        error=wording.retry(failure),
        kind=failure.kind.value,
        provider=failure.provider,
        status_code=failure.status_code,
        retryable=True,
        retrying_at=chat.retry_at,
    )
    change.apply(Move.RECORD_RETRY, Status.PENDING)
    change.wake(send=False)
    sendable = timedelta(seconds=seconds) <= LONGEST_COUNTDOWN
    return Settlement(move=Move.RECORD_RETRY, retry_in_seconds=seconds if sendable else None)


def _release(change: Change, *, counts_as_loss: bool) -> Settlement:
    change.chat.losses += int(counts_as_loss)
    change.apply(Move.RELEASE, Status.PENDING)
    change.wake()
    return Settlement(move=Move.RELEASE)


def _insert_answer(change: Change, rows: Rows) -> MessageId | None:
    ids = change.insert(rows)
    answers = [id_ for id_, row in zip(ids, rows, strict=True) if row.role is Role.ASSISTANT]
    return answers[-1] if answers else None


def _count_step(change: Change) -> None:
    turn_id = change.chat.current_turn_id
    if turn_id is not None:
        change.count_step(turn_id)


def _error(change: Change, failure: Failure) -> ChatError:
    return ChatError(
        message=failure.message,
        detail=failure.detail,
        kind=failure.kind.value,
        provider=failure.provider,
        retryable=failure.retryable,
        status_code=failure.status_code,
        turn_id=change.chat.current_turn_id,
    )
