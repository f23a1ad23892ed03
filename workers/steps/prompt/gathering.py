"""Puts the results that follow an answer into one message, in the order of its calls. Pure.

They come from tools and clients, each in its own time and in a row of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from shared.chats.model.messages import Role
from shared.chats.model.parts import Part, ToolCallPart, ToolResultPart
from workers.providers.protocol import PromptMessage


def gather(messages: Sequence[PromptMessage]) -> list[PromptMessage]:
    """Return the messages with each answer's results together, right behind it."""
    gathered: list[PromptMessage] = []
    asked: tuple[Part, ...] = ()
    for message in messages:
        if not _has_results_only(message):
            asked = message.parts
            gathered.append(message)
            continue
        parts = message.parts
        if gathered and _has_results_only(gathered[-1]):
            parts = (*gathered.pop().parts, *parts)
        gathered.append(replace(message, parts=_in_order(parts, _places(asked))))
    return gathered


def _has_results_only(message: PromptMessage) -> bool:
    is_tools = message.role is Role.TOOL
    return is_tools and all(isinstance(part, ToolResultPart) for part in message.parts)


def _places(parts: Sequence[Part]) -> dict[str, int]:
    ids = [part.tool_call_id for part in parts if isinstance(part, ToolCallPart)]
    return {call_id: place for place, call_id in enumerate(ids)}


def _in_order(parts: Sequence[Part], places: Mapping[str, int]) -> tuple[Part, ...]:
    def place(part: Part) -> int:
        known = isinstance(part, ToolResultPart)
        return places.get(part.tool_call_id, len(places)) if known else len(places)

    return tuple(sorted(parts, key=place))
