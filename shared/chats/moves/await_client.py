"""Wait for the client's tool results, each call until its deadline, and go on after them."""

from dataclasses import replace
from datetime import datetime, timedelta

from shared.chats.machine.change import Change
from shared.chats.model.chat import Chat, DynamicTool, PendingCall
from shared.chats.model.messages import NewMessage, Role
from shared.chats.model.parts import ToolCallPart, ToolResultPart
from shared.chats.model.statuses import Move, Status, TurnStatus
from shared.chats.moves.open_calls import error_result
from shared.metrics.metrics import DYNAMIC_TOOL


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
        change.change_turn(turn_id, status=TurnStatus.ACTIVE, outcome_revision=None)
    change.apply(move, Status.PENDING)
    change.wake()


def expire_action(change: Change) -> int:
    """Answer the calls that are past their deadline, by the tool's default or an error.

    Return how many those were.
    """
    chat = change.chat
    late: tuple[PendingCall, ...] = ()
    if chat.status is Status.REQUIRES_ACTION:
        late = tuple(call for call in chat.pending_calls if call.deadline_at <= change.now)
    if not late:
        change.unchanged = True
        return 0
    tools = {tool.name: tool for tool in chat.dynamic_tools}
    instead = [_instead(call, tools.get(call.tool_name), change.now) for call in late]
    results = tuple(change.fit(DYNAMIC_TOOL, result) for result in instead)
    take_results(change, Move.EXPIRE_ACTION, results)
    return len(results)


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
