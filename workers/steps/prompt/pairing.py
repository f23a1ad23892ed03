"""Sees to it that every local call is answered, and every result was called for. Pure.

Ids are compared in order, not as a set: a provider may count its calls from one in every turn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain

from shared.chats.model.messages import Role
from shared.chats.model.parts import Part, ToolCallPart, ToolResultPart
from workers.providers.protocol import PromptMessage

NO_RESULT = "The tool's result was lost."
"""What the model reads for a call whose result is not in the history."""

_Place = tuple[int, int]


def pair(messages: Sequence[PromptMessage]) -> list[PromptMessage]:
    """Return the messages with a result right after every row that lacks one, and no orphans.

    An orphan result with a name gets a call of its own before it; one without is dropped.
    """
    unpaired = _unpaired(messages)
    paired: list[PromptMessage] = []
    for number, message in enumerate(messages):
        own = unpaired.get(number)
        if own is None:
            paired.append(message)
            continue
        kept, open_calls, orphans = _split(message.parts, own)
        if kept:
            paired.append(replace(message, parts=kept))
        if open_calls:
            paired.append(_lost_results(open_calls))
        if orphans:
            paired.extend((_invented_calls(orphans), replace(message, parts=tuple(orphans))))
    return paired


def _unpaired(messages: Sequence[PromptMessage]) -> Mapping[int, set[int]]:
    """Return where calls without a result and results without a call are: parts by message."""
    waiting: dict[str, list[_Place]] = {}
    found: list[_Place] = []
    for number, message in enumerate(messages):
        for place, part in enumerate(message.parts):
            match part:
                case ToolCallPart(tool_call_id=call_id, provider_executed=False):
                    waiting.setdefault(call_id, []).append((number, place))
                case ToolResultPart(tool_call_id=call_id, provider_executed=False):
                    # The latest call of this id: it is the one whose turn goes on.
                    if waiting.get(call_id):
                        waiting[call_id].pop()
                    else:
                        found.append((number, place))
                case _:
                    pass
    unpaired: dict[int, set[int]] = {}
    for number, place in chain(found, *waiting.values()):
        unpaired.setdefault(number, set()).add(place)
    return unpaired


def _split(
    parts: Sequence[Part], unpaired: set[int]
) -> tuple[tuple[Part, ...], list[ToolCallPart], list[ToolResultPart]]:
    """Return what stays (open calls too), the open calls, and the orphans that have a name."""
    kept: list[Part] = []
    open_calls: list[ToolCallPart] = []
    orphans: list[ToolResultPart] = []
    for place, part in enumerate(parts):
        if place in unpaired and isinstance(part, ToolResultPart):
            # Without a name there is nothing that a call could be made of.
            orphans.extend([part] if part.tool_name else [])
            continue
        if place in unpaired and isinstance(part, ToolCallPart):
            open_calls.append(part)
        kept.append(part)
    return tuple(kept), open_calls, orphans


def _invented_calls(results: Sequence[ToolResultPart]) -> PromptMessage:
    calls = tuple(
        ToolCallPart(tool_call_id=result.tool_call_id, tool_name=result.tool_name, args={})
        for result in results
    )
    return PromptMessage(role=Role.ASSISTANT, parts=calls)


def _lost_results(calls: Sequence[ToolCallPart]) -> PromptMessage:
    results = tuple(
        ToolResultPart(
            tool_call_id=call.tool_call_id,
            tool_name=call.tool_name,
            result=NO_RESULT,
            is_error=True,
        )
        for call in calls
    )
    return PromptMessage(role=Role.TOOL, parts=results)
