"""What is kept of a step that a person stopped. Pure."""

from collections.abc import Sequence
from datetime import datetime

from shared.chats.model.ids import TurnId
from shared.chats.model.messages import NewMessage, Role
from shared.chats.model.parts import Part, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from shared.chats.moves.open_calls import NOT_RUN


def partial_rows(
    parts: Sequence[Part], *, turn_id: TurnId | None, model: str, now: datetime
) -> tuple[NewMessage, ...]:
    """Return the rows of an answer that broke off: what was said, and a result for every call.

    No usage and no response id: the provider has not said them, or not for the whole.
    """
    kept = _kept(parts)
    if not kept:
        return ()
    rows = [
        NewMessage(
            role=Role.ASSISTANT, content=kept, turn_id=turn_id, model=model, interrupted=True
        )
    ]
    answered = _answered(kept)
    results = tuple(_not_run(call, now) for call in kept if _is_open(call, answered))
    if results:
        rows.append(NewMessage(role=Role.TOOL, content=results, turn_id=turn_id))
    return tuple(rows)


def _kept(parts: Sequence[Part]) -> tuple[Part, ...]:
    answered = _answered(parts)
    called = {part.tool_call_id for part in parts if isinstance(part, ToolCallPart)}
    return tuple(
        part
        for part in parts
        if not _is_empty(part) and not _hangs(part, answered) and not _is_elsewhere(part, called)
    )


def _is_elsewhere(part: Part, called: set[str]) -> bool:
    """The results of calls that are committed are in the ledger; here they were only shown."""
    return isinstance(part, ToolResultPart) and part.tool_call_id not in called


def _answered(parts: Sequence[Part]) -> set[str]:
    return {part.tool_call_id for part in parts if isinstance(part, ToolResultPart)}


def _is_empty(part: Part) -> bool:
    return isinstance(part, TextPart | ReasoningPart) and not part.text.strip()


def _hangs(part: Part, answered: set[str]) -> bool:
    """A call that its provider runs itself can't be answered by us: without a result it goes."""
    return (
        isinstance(part, ToolCallPart)
        and part.provider_executed
        and part.tool_call_id not in answered
    )


def _is_open(part: Part, answered: set[str]) -> bool:
    return (
        isinstance(part, ToolCallPart)
        and not part.provider_executed
        and part.tool_call_id not in answered
    )


def _not_run(call: Part, now: datetime) -> ToolResultPart:
    assert isinstance(call, ToolCallPart)
    return ToolResultPart(
        tool_call_id=call.tool_call_id,
        tool_name=call.tool_name,
        result=NOT_RUN,
        is_error=True,
        created_at=now,
    )
