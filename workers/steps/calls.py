"""Sorts the calls of an answer: to run here, for the client to run, or refused. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.chats.machine.effects import ToolResulted
from shared.chats.model.ids import TurnId
from shared.chats.model.messages import NewMessage, PromptRow, Role
from shared.chats.model.parts import ToolCallPart, ToolResultPart
from shared.chats.moves.open_calls import error_result
from shared.chats.moves.workers.claim_tool import arguments_hash
from shared.failures.kinds import ErrorKind, Failure
from shared.metrics.metrics import DYNAMIC_TOOL, UNKNOWN_TOOL
from shared.tools.errors import BadArguments
from workers.steps.prompt.available_tools import AvailableTools
from workers.tools.call import Call

NO_TOOL: Final = "There is no tool of this name in this chat."
"""What the model reads when it calls a tool that was not offered."""

NOT_ALLOWED: Final = "This chat may not use this tool."
"""What the model reads when it calls a tool that this chat is kept from."""

NO_OBJECT: Final = "The arguments are not a JSON object."
"""What the model reads when its arguments are of no use to any client."""

MOST_REPEATS: Final = 5
"""So many times running, the same call with the same arguments is a loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """Every local call of an answer by its place, and what is to be done about it."""

    asked: Mapping[int, ToolCallPart]
    to_run: tuple[Call, ...]
    refused: Mapping[int, ToolResultPart]
    dynamic: Mapping[int, ToolCallPart]

    def results(
        self, turn_id: TurnId | None, known: Mapping[int, ToolResultPart]
    ) -> tuple[NewMessage, ...]:
        """Return the row of the results that are there, in call order; none is no row."""
        there = {**self.refused, **known}
        content = tuple(there[index] for index in self.asked if index in there)
        if not content:
            return ()
        return (NewMessage(role=Role.TOOL, turn_id=turn_id, content=content),)

    def place(self, index: int) -> int:
        """Return the place that the result of a call will have in its row."""
        return [n for n in self.asked if n not in self.dynamic].index(index)


def sort_calls(asked: Mapping[int, ToolCallPart], offer: AvailableTools, now: datetime) -> Sorted:
    """Sort the calls by who has to answer them; `now` stamps refusals."""
    to_run: list[Call] = []
    dynamic: dict[int, ToolCallPart] = {}
    refused: dict[int, ToolResultPart] = {}
    for index, call in asked.items():
        try:
            if call.tool_name in offer.dynamic:
                _check_object(call)
                dynamic[index] = call
            else:
                to_run.append(_runnable(index, call, offer))
        except BadArguments as error:
            refused[index] = error_result(call, str(error), now)
    return Sorted(asked=asked, to_run=tuple(to_run), refused=refused, dynamic=dynamic)


def refused_results(calls: Sorted, offer: AvailableTools, model: str) -> tuple[ToolResulted, ...]:
    """Return what is to be counted of the calls that are refused; `model` made them."""
    return tuple(
        ToolResulted(model=model, tool=_label(result.tool_name, offer), result=result)
        for result in calls.refused.values()
    )


def find_loop(history: Sequence[PromptRow], asked: Mapping[int, ToolCallPart]) -> Failure | None:
    """Return why the turn has to end: a call that all its last answers made, this one included.

    `history` has the turn's messages. The same call twice in one answer counts once: a model may
    well throw two dice.
    """
    answers = [_signatures(row.content) for row in history if row.role is Role.ASSISTANT]
    running = answers[-(MOST_REPEATS - 1) :]
    if len(running) < MOST_REPEATS - 1:
        return None
    for name, digest in _signatures(tuple(asked.values())):
        if all((name, digest) in made for made in running):
            return Failure(
                kind=ErrorKind.GENERIC,
                retryable=False,
                message=f"The turn was stopped: the model called the tool {name!r} with the same"
                f" arguments {MOST_REPEATS} times running.",
            )
    return None


def _runnable(index: int, call: ToolCallPart, offer: AvailableTools) -> Call:
    tool = offer.builtin.get(call.tool_name)
    if tool is None:
        raise BadArguments(NOT_ALLOWED if call.tool_name in offer.registered else NO_TOOL)
    return Call(index=index, asked=call, tool=tool, arguments=tool.read(call.args))


def _label(name: str, offer: AvailableTools) -> str:
    if name in offer.dynamic:
        return DYNAMIC_TOOL
    return name if name in offer.registered else UNKNOWN_TOOL


def _check_object(call: ToolCallPart) -> None:
    if not isinstance(call.args, Mapping):
        raise BadArguments(NO_OBJECT)


def _signatures(parts: Sequence[object]) -> set[tuple[str, str]]:
    return {
        (part.tool_name, arguments_hash(part.args))
        for part in parts
        if isinstance(part, ToolCallPart) and not part.provider_executed
    }
