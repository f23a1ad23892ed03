"""The tool calls of a turn: which of them are open, and what answers those that nobody will run."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.chats.machine.change import Change
from shared.chats.model.ids import ChatId, MessageId
from shared.chats.model.messages import NewMessage, PromptRow, Role
from shared.chats.model.parts import ToolCallPart, ToolResultPart
from shared.chats.model.tool_runs import RunKey, RunState, ToolRun

NOT_RUN = "The tool was not run: the turn was stopped before it could."
"""What the model reads in place of a result that will never come."""

NOT_ANSWERED = (
    "The client's answer did not come before the turn was stopped. The tool may have run or not."
)
"""What the model reads of a call that waited for the client."""

OUTCOME_UNKNOWN = (
    "Outcome unknown: the tool was started, and what became of it was lost. It may have taken"
    " effect or not; find out before you call it again."
)
"""What the model reads of a tool that was started and may not be started again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCall:
    """A call without a result; `index` is its place in the content of its message."""

    message_id: MessageId
    index: int
    call: ToolCallPart

    def key(self, chat_id: ChatId) -> RunKey:
        """Return the call's place in the ledger."""
        return RunKey(chat_id=chat_id, message_id=self.message_id, index=self.index)


def open_calls(rows: Sequence[PromptRow]) -> list[OpenCall]:
    """Return the calls of these messages that have no result among them, in call order.

    A result answers the latest open call of its id: some models give the same ids again.
    """
    waiting: list[OpenCall] = []
    for row in rows:
        for index, part in enumerate(row.content):
            if isinstance(part, ToolCallPart) and not part.provider_executed:
                waiting.append(OpenCall(message_id=row.id, index=index, call=part))
            elif isinstance(part, ToolResultPart):
                _close(waiting, part.tool_call_id)
    return waiting


def _close(waiting: list[OpenCall], tool_call_id: str) -> None:
    for number in reversed(range(len(waiting))):
        if waiting[number].call.tool_call_id == tool_call_id:
            del waiting[number]
            return


def answer_outstanding(change: Change) -> None:
    """Answer every open call of the current turn: by what the ledger has, else by an error."""
    chat = change.chat
    if chat.current_turn_id is None:
        return
    rows = change.history.since_calls(chat.current_turn_id)
    waiting = open_calls(rows)
    if not waiting:
        return
    messages = {one.message_id for one in waiting}
    runs = change.ledger.load(messages)
    content = tuple(_answer(change, one, runs.get(one.key(chat.id))) for one in waiting)
    change.insert([NewMessage(role=Role.TOOL, turn_id=chat.current_turn_id, content=content)])


def _answer(change: Change, one: OpenCall, run: ToolRun | None) -> ToolResultPart:
    if run is None:
        pending = {call.tool_call_id for call in change.chat.pending_calls}
        text = NOT_ANSWERED if one.call.tool_call_id in pending else NOT_RUN
        return error_result(one.call, text, change.now)
    if run.result is not None:
        return run.result
    unknown = error_result(one.call, OUTCOME_UNKNOWN, change.now)
    change.ledger.end(
        one.key(change.chat.id), state=RunState.UNKNOWN, result=unknown, now=change.now
    )
    return unknown


def error_result(call: ToolCallPart, text: str, now: datetime) -> ToolResultPart:
    """Return the result of a call that did not come to what was asked for."""
    return ToolResultPart(
        tool_call_id=call.tool_call_id,
        tool_name=call.tool_name,
        result=text,
        is_error=True,
        created_at=now,
    )
