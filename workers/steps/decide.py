"""Decides once how a step goes on: after an answer, with calls left open, and after tools. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shared.chats.model.ids import MessageId, TurnId
from shared.chats.model.messages import NewMessage, Role, Usage
from shared.chats.model.parts import (
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from shared.chats.model.timing import Spans
from shared.chats.moves.open_calls import NOT_RUN, OUTCOME_UNKNOWN, error_result
from shared.chats.moves.workers.begin import Begun
from shared.chats.moves.workers.commit_calls import Commitment
from shared.chats.moves.workers.settle import (
    Failed,
    Finish,
    More,
    Released,
    RequireAction,
    Result,
    Rows,
    Stopped,
)
from shared.config.catalog import Model
from shared.failures.kinds import ErrorKind, Failure
from workers.failures.classify import classify
from workers.leases.registry import CancelReason
from workers.providers.protocol import FinishReason, StreamEnd
from workers.steps.answer.collect import CollectedAnswer
from workers.steps.answer.read_stream import Streamed
from workers.steps.calls import Sorted, find_loop, refused_results, sort_calls
from workers.steps.partial import partial_rows
from workers.steps.prompt.available_tools import AvailableTools


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A complete answer; `row` None = it said nothing. `calls` are ours or the client's to run."""

    row: NewMessage | None
    calls: Mapping[int, ToolCallPart]
    reason: FinishReason
    spans: Spans


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTools:
    """The answer goes into the history, and then its calls run."""

    commitment: Commitment
    calls: Sorted


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """Calls of a message that an earlier step has left open; `known` are results it has got."""

    message_id: MessageId
    calls: Sorted
    known: Mapping[int, ToolResultPart]


def read_answer(
    begun: Begun, model: Model | None, streamed: Streamed, now: datetime
) -> Said | Result:
    """Return a complete answer, or what a step brings whose answer broke off.

    `now` stamps synthetic tool results.
    """
    spans = Spans(provider=streamed.seconds)
    finish = streamed.answer.finish
    if finish is not None and model is not None:
        row = _answer_row(begun, model, streamed.answer, finish)
        calls = {} if row is None else local_calls(row.content)
        return Said(row=row, calls=calls, reason=finish.reason, spans=spans)
    chat = begun.chat
    partial = partial_rows(
        streamed.answer.parts, turn_id=chat.current_turn_id, model=chat.model, now=now
    )
    return Result(ending=_broken(model, streamed, now), partial=partial, spans=spans)


def next_of(
    said: Said, begun: Begun, tools: AvailableTools, *, max_steps: int, now: datetime
) -> Result | RunTools:
    """Return what follows a complete answer: the one place that decides about its calls."""
    turn_id = begun.chat.current_turn_id
    if said.row is None or not _goes_on(said):
        return _finished(said, turn_id, now)
    calls = sort_calls(said.calls, tools, now)
    # What is kept if a person stops the turn before this is written.
    stopped = (said.row, *calls.results(turn_id, _not_run(calls, now)))
    failure = _too_many_steps(begun.steps + 1, max_steps) or _loop(begun, calls)
    if failure is not None:
        return Result(ending=Failed(failure=failure), partial=stopped, spans=said.spans)
    refused = refused_results(calls, tools, begun.chat.model)
    if calls.to_run:
        commitment = Commitment(
            answer=said.row, if_stopped=stopped, spans=said.spans, refused=refused
        )
        return RunTools(commitment=commitment, calls=calls)
    rows = (said.row, *calls.results(turn_id, {}))
    ending = RequireAction(rows=rows, calls=tuple(calls.dynamic.values()))
    return Result(
        ending=ending if calls.dynamic else More(rows=rows),
        partial=stopped,
        spans=said.spans,
        refused=refused,
    )


def find_leftover(begun: Begun, tools: AvailableTools, now: datetime) -> Leftover:
    """Return the newest message's calls that are still open, with what the ledger has of them."""
    message_id = begun.waiting[-1].message_id
    waiting = [one for one in begun.waiting if one.message_id == message_id]
    calls = sort_calls({one.index: one.call for one in waiting}, tools, now)
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


def _broken(model: Model | None, streamed: Streamed, now: datetime) -> Failed | Released | Stopped:
    if streamed.error is not None:
        provider, name = ("", "") if model is None else (model.provider, model.name)
        failure = classify(streamed.error, provider=provider, now=now)
        return Failed(failure=failure, provider=provider, model=name)
    if streamed.stopped is CancelReason.DRAIN:
        return Released(counts_as_loss=False)
    return Stopped()


def _goes_on(said: Said) -> bool:
    match said.reason:
        case FinishReason.TOOL_CALLS:
            return bool(said.calls)
        case FinishReason.PAUSE:
            return True  # a paused answer is sent back as it is, to be gone on with
        case _:
            return False


def _finished(said: Said, turn_id: TurnId | None, now: datetime) -> Result:
    if said.row is None:
        # Nothing said is a turn without a row, not an empty message.
        return Result(ending=Finish(rows=()), spans=said.spans)
    # A model that was cut off does not wait for its calls: they are answered, and not looked at.
    unrun = tuple(error_result(call, NOT_RUN, now) for call in said.calls.values())
    answered = NewMessage(role=Role.TOOL, content=unrun, turn_id=turn_id)
    rows: Rows = (said.row, answered) if unrun else (said.row,)
    return Result(ending=Finish(rows=rows), partial=rows, spans=said.spans)


def _answer_row(
    begun: Begun, model: Model, answer: CollectedAnswer, finish: StreamEnd
) -> NewMessage | None:
    if not any(_says_something(part) for part in answer.parts):
        return None
    return NewMessage(
        role=Role.ASSISTANT,
        content=answer.parts,
        turn_id=begun.chat.current_turn_id,
        model=begun.chat.model,
        usage=_usage(model, finish.usage),
        provider_response_id=finish.response_id if model.store else None,
    )


def _says_something(part: Part) -> bool:
    if isinstance(part, TextPart | ReasoningPart):
        return bool(part.text.strip()) or part.provider_metadata is not None
    return True


def _usage(model: Model, said: Usage | None) -> Usage:
    usage = said or Usage()
    return replace(usage, context_limit=usage.context_limit or model.context_limit)


def _not_run(calls: Sorted, now: datetime) -> dict[int, ToolResultPart]:
    unrun = {n: call for n, call in calls.asked.items() if n not in calls.refused}
    return {n: error_result(call, NOT_RUN, now) for n, call in unrun.items()}


def _loop(begun: Begun, calls: Sorted) -> Failure | None:
    turn_id = begun.chat.current_turn_id
    return find_loop([row for row in begun.messages if row.turn_id == turn_id], calls.asked)


def _too_many_steps(steps: int, max_steps: int) -> Failure | None:
    if steps < max_steps:
        return None
    return Failure(
        kind=ErrorKind.GENERIC,
        retryable=False,
        message=f"The turn was stopped after {max_steps} steps, the limit of this installation.",
    )
