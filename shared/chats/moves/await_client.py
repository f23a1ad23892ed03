"""Wait for the client's tool results, each call until its deadline, and go on after them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.chats.machine.change import Change
from shared.chats.model.chat import Chat, DynamicTool, PendingCall
from shared.chats.model.messages import NewMessage, Role
from shared.chats.model.parts import ToolCallPart, ToolResultPart
from shared.chats.model.statuses import Move, Status, TurnStatus
from shared.chats.moves.open_calls import error_result

Fit = Callable[[str, ToolResultPart], ToolResultPart]
"""Cuts a result to the room of the model of this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """What stands for the results that did not come in time, and the model that gets it."""

    model: str
    results: tuple[ToolResultPart, ...]


def wait_for_client(change: Change, calls: tuple[ToolCallPart, ...]) -> None:
    """Pause the turn until these calls are answered; nothing holds the chat meanwhile."""
    chat = change.chat
    turn_id = chat.current_turn_id
    assert turn_id is not None
    tools = {tool.name: tool for tool in chat.dynamic_tools}
    chat.pending_calls = tuple(
        PendingCall(
            tool_call_id=call.tool_call_id,
            tool_name=call.tool_name,
            args=call.args,
            deadline_at=change.now + _patience(change, tools.get(call.tool_name)),
            turn_id=turn_id,
        )
        for call in calls
    )
    _set_deadline(chat)
    change.end_turn(TurnStatus.REQUIRES_ACTION)
    change.apply(Move.SETTLE_REQUIRE_ACTION, Status.REQUIRES_ACTION)


def take_results(change: Change, move: Move, results: tuple[ToolResultPart, ...]) -> None:
    """Put results into the history, a row for each; after the last one the turn goes on."""
    chat = change.chat
    turn_id = chat.current_turn_id
    change.insert(
        [NewMessage(role=Role.TOOL, turn_id=turn_id, content=(result,)) for result in results]
    )
    answered = {result.tool_call_id for result in results}
    chat.pending_calls = tuple(
        call for call in chat.pending_calls if call.tool_call_id not in answered
    )
    _set_deadline(chat)
    if chat.pending_calls:
        change.apply(move, Status.REQUIRES_ACTION)
        return
    if turn_id is not None:
        change.change_turn(turn_id, status=TurnStatus.ACTIVE.value, outcome_revision=None)
    change.apply(move, Status.PENDING)
    change.wake()


def as_it_is(model: str, result: ToolResultPart) -> ToolResultPart:
    """Return the result: for whoever has no model in mind."""
    del model
    return result


def expire_action(change: Change, fit: Fit = as_it_is) -> Expired:
    """Answer the calls that are past their deadline: by the tool's default, else by an error.

    `fit` cuts a result to the room of a model.
    """
    chat = change.chat
    late: tuple[PendingCall, ...] = ()
    if chat.status is Status.REQUIRES_ACTION:
        late = tuple(call for call in chat.pending_calls if call.deadline_at <= change.now)
    if not late:
        change.unchanged = True
        return Expired(model=chat.model, results=())
    tools = {tool.name: tool for tool in chat.dynamic_tools}
    results = tuple(
        fit(chat.model, _instead(call, tools.get(call.tool_name), change.now)) for call in late
    )
    take_results(change, Move.EXPIRE_ACTION, results)
    return Expired(model=chat.model, results=results)


def _patience(change: Change, tool: DynamicTool | None) -> timedelta:
    chat = change.chat
    seconds = tool.timeout_seconds if tool is not None else None
    seconds = seconds or chat.requires_action_timeout_seconds
    return timedelta(seconds=seconds or change.limits.requires_action_seconds)


def _set_deadline(chat: Chat) -> None:
    deadlines = [call.deadline_at for call in chat.pending_calls]
    chat.requires_action_deadline_at = min(deadlines, default=None)


def _instead(call: PendingCall, tool: DynamicTool | None, now: datetime) -> ToolResultPart:
    asked = ToolCallPart(tool_call_id=call.tool_call_id, tool_name=call.tool_name, args=call.args)
    late = error_result(asked, "The client did not answer the call in time.", now)
    if tool is None or not tool.has_default:
        return late
    return replace(late, result=tool.default_result, is_error=False)
