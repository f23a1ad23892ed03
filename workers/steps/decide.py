"""Decides how a step goes on after an answer, and after its tools. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shared.chats.model.ids import MessageId, TurnId
from shared.chats.model.messages import NewMessage
from shared.chats.model.parts import Part, ToolCallPart, ToolResultPart
from shared.chats.model.timing import Spans
from shared.chats.moves.open_calls import NOT_RUN, OUTCOME_UNKNOWN, error_result
from shared.chats.moves.workers.begin import Begun
from shared.chats.moves.workers.commit_calls import Commitment
from shared.chats.moves.workers.settle import (
    Failed,
    More,
    Released,
    RequireAction,
    Result,
    Stopped,
)
from workers.leases.registry import CancelReason
from workers.steps.calls import Sorted, find_loop, sort_calls
from workers.steps.prompt.available_tools import AvailableTools


@dataclass(frozen=True, slots=True, kw_only=True)
class ToCommit:
    """An answer with calls to run."""

    commitment: Commitment
    calls: Sorted


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """Calls of a message that an earlier step has left open; `known` are results it has got."""

    message_id: MessageId
    calls: Sorted
    known: Mapping[int, ToolResultPart]


def decide(
    begun: Begun, result: Result, answer: NewMessage, calls: Sorted, now: datetime
) -> Result | ToCommit:
    """Return what an answer with calls comes to; `result` says what it was otherwise."""
    turn_id = begun.chat.current_turn_id
    stopped = (answer, *calls.results(turn_id, _not_run(calls, now)))
    loop = find_loop([row for row in begun.messages if row.turn_id == turn_id], calls.asked)
    if loop is not None:
        return replace(result, ending=Failed(failure=loop), partial=stopped)
    if calls.to_run:
        commitment = Commitment(
            answer=answer, if_stopped=stopped, spans=result.spans, refused=result.refused
        )
        return ToCommit(commitment=commitment, calls=calls)
    rows = (answer, *calls.results(turn_id, {}))
    if not calls.dynamic:
        return replace(result, ending=More(rows=rows))
    ending = RequireAction(rows=rows, calls=tuple(calls.dynamic.values()))
    return replace(result, ending=ending, partial=stopped)


def find_leftover(begun: Begun, offer: AvailableTools, now: datetime) -> Leftover:
    """Return the newest message's calls that are still open, with what the ledger has of them."""
    message_id = begun.waiting[-1].message_id
    waiting = [one for one in begun.waiting if one.message_id == message_id]
    calls = sort_calls({one.index: one.call for one in waiting}, offer, now)
    known: dict[int, ToolResultPart] = {}
    for one in waiting:
        run = begun.runs.get(one.key(begun.chat.id))
        if run is not None and run.result is not None:
            known[one.index] = run.result
        elif run is not None and one.index in calls.refused:
            # It was started when the tool was still there.
            known[one.index] = error_result(one.call, OUTCOME_UNKNOWN, now)
    to_run = tuple(call for call in calls.to_run if call.index not in known)
    return Leftover(message_id=message_id, calls=replace(calls, to_run=to_run), known=known)


def after_tools(
    turn_id: TurnId | None,
    calls: Sorted,
    results: Mapping[int, ToolResultPart],
    *,
    reason: CancelReason | None,
    spans: Spans,
    now: datetime,
) -> Result:
    """Return what a step brings whose calls have run, all of them or as far as they were let."""
    rows = calls.results(turn_id, results)
    if any(call.index not in results for call in calls.to_run):
        # What was started and did not end is in the ledger, and answered from there.
        ending = Released(counts_as_loss=False) if reason is CancelReason.DRAIN else Stopped()
        return Result(ending=ending, partial=rows, spans=spans)
    if not calls.dynamic:
        return Result(ending=More(rows=rows), spans=spans)
    waiting = {n: error_result(call, NOT_RUN, now) for n, call in calls.dynamic.items()}
    ending = RequireAction(rows=rows, calls=tuple(calls.dynamic.values()))
    stopped = calls.results(turn_id, {**results, **waiting})
    return Result(ending=ending, partial=stopped, spans=spans)


def local_calls(parts: Sequence[Part]) -> dict[int, ToolCallPart]:
    """Return the calls that are ours or the client's to run, by their places."""
    return {
        index: part
        for index, part in enumerate(parts)
        if isinstance(part, ToolCallPart) and not part.provider_executed
    }


def _not_run(calls: Sorted, now: datetime) -> dict[int, ToolResultPart]:
    open_calls = {n: call for n, call in calls.asked.items() if n not in calls.refused}
    return {n: error_result(call, NOT_RUN, now) for n, call in open_calls.items()}
