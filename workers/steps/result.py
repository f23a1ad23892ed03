"""Makes of a stream that ended what its step brings to the settling. Pure."""

from dataclasses import replace
from datetime import datetime

from shared.chats.model.chat import Chat
from shared.chats.model.messages import NewMessage, Role, Usage
from shared.chats.model.parts import Part, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from shared.chats.model.timing import Spans
from shared.chats.moves.open_calls import NOT_RUN
from shared.chats.moves.workers.begin import Begun
from shared.chats.moves.workers.settle import (
    Ending,
    Failed,
    Finish,
    More,
    Released,
    Result,
    Rows,
    Stopped,
)
from shared.config.catalog import Model
from shared.failures.kinds import ErrorKind, Failure
from workers.failures.classify import classify
from workers.leases.registry import CancelReason
from workers.providers import protocol
from workers.steps.answer.collect import CollectedAnswer
from workers.steps.answer.read_stream import Streamed
from workers.steps.partial import partial_rows


def make_result(
    begun: Begun, model: Model | None, streamed: Streamed, *, max_steps: int, now: datetime
) -> Result:
    """Return the step's result; `now` stamps synthetic tool results."""
    spans = Spans(provider=streamed.seconds)
    finish = streamed.answer.finish
    if finish is not None and model is not None:
        rows = _complete_rows(begun.chat, model, streamed.answer, finish, now)
        ending = _complete(begun, rows, finish, max_steps)
        return Result(ending=ending, partial=rows, spans=spans)
    chat = begun.chat
    partial = partial_rows(
        streamed.answer.parts, turn_id=chat.current_turn_id, model=chat.model, now=now
    )
    return Result(ending=_broken(model, streamed, now), partial=partial, spans=spans)


def _broken(model: Model | None, streamed: Streamed, now: datetime) -> Ending:
    if streamed.error is not None:
        provider, name = ("", "") if model is None else (model.provider, model.name)
        failure = classify(streamed.error, provider=provider, now=now)
        return Failed(failure=failure, provider=provider, model=name)
    if streamed.stopped is CancelReason.DRAIN:
        return Released(counts_as_loss=False)
    return Stopped()


def _complete(begun: Begun, rows: Rows, finish: protocol.StreamEnd, max_steps: int) -> Ending:
    if not _goes_on(rows, finish.reason):
        return Finish(rows=rows)
    if begun.steps + 1 >= max_steps:
        return Failed(failure=_too_many_steps(max_steps))
    return More(rows=rows)


def _goes_on(rows: Rows, reason: protocol.FinishReason) -> bool:
    match reason:
        case protocol.FinishReason.TOOL_CALLS:
            return any(row.role is Role.TOOL for row in rows)
        case protocol.FinishReason.PAUSE:
            return bool(rows)  # a paused answer is sent back as it is, to be gone on with
        case _:
            return False


def _complete_rows(
    chat: Chat, model: Model, answer: CollectedAnswer, finish: protocol.StreamEnd, now: datetime
) -> Rows:
    """Return the answer's row, and one that answers its calls: none is left open."""
    if not any(_says_something(part) for part in answer.parts):
        # Nothing said is a turn without a row, not an empty message.
        return ()
    row = NewMessage(
        role=Role.ASSISTANT,
        content=answer.parts,
        turn_id=chat.current_turn_id,
        model=chat.model,
        usage=_usage(model, finish.usage),
        provider_response_id=finish.response_id if model.store else None,
    )
    calls = [
        part
        for part in answer.parts
        if isinstance(part, ToolCallPart) and not part.provider_executed
    ]
    if not calls:
        return (row,)
    # None of them runs if this is the end: a model that was cut off does not wait for its calls.
    return (row, _results(chat, calls, now))


def _says_something(part: Part) -> bool:
    if isinstance(part, TextPart | ReasoningPart):
        return bool(part.text.strip()) or part.provider_metadata is not None
    return True


def _usage(model: Model, said: Usage | None) -> Usage:
    usage = said or Usage()
    return replace(usage, context_limit=usage.context_limit or model.context_limit)


def _results(chat: Chat, calls: list[ToolCallPart], now: datetime) -> NewMessage:
    results = tuple(
        ToolResultPart(
            tool_call_id=call.tool_call_id,
            tool_name=call.tool_name,
            result=NOT_RUN,
            is_error=True,
            created_at=now,
        )
        for call in calls
    )
    return NewMessage(role=Role.TOOL, content=results, turn_id=chat.current_turn_id)


def _too_many_steps(max_steps: int) -> Failure:
    return Failure(
        kind=ErrorKind.GENERIC,
        retryable=False,
        message=f"The turn was stopped after {max_steps} steps, the limit of this installation.",
    )
