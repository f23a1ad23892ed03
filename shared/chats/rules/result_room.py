"""How big a tool's result is, and how much of it a model gets to see. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import orjson

from shared.chats.model.parts import ToolResultPart
from shared.jsonvalue import JsonValue, storable

SMALLEST_ROOM: Final = 16 * 1024
"""Every model gets that much of a result, in bytes."""

UNKNOWN_ROOM: Final = 64 * 1024
"""What a model of unknown size gets, in bytes."""


def room_of(context_limit: int) -> int:
    """Return how many bytes a result may have; the limit is in tokens, 0 = unknown.

    As many bytes as tokens: a result then fills a quarter of the context at the most.
    """
    return max(context_limit, SMALLEST_ROOM) if context_limit else UNKNOWN_ROOM


def result_size(part: ToolResultPart) -> int:
    """Return the bytes of the text, of the error's text, or of the base64 of media."""
    result = part.result
    if part.is_media and isinstance(result, Mapping):
        data = result.get("data")
        return len(data) if isinstance(data, str) else 0
    return 0 if result is None else len(_text(result))


def cut(part: ToolResultPart, room: int) -> ToolResultPart:
    """Return the result with its text cut to `room` bytes; one that fits stays as it is.

    What is no text is cut as the text of its JSON. Media can't be cut.
    """
    if part.is_media or part.result is None:
        return part
    data = _text(part.result)
    if len(data) <= room:
        return part
    return replace(part, result=cut_text(data, room))


def cut_text(data: bytes, room: int) -> str:
    """Return two thirds of the room from the head and one from the tail, and say what is gone."""
    # The number in it is as long as the whole's at the most.
    room -= len(_marker(len(data)))
    head = data[: room * 2 // 3]
    tail = data[len(data) - (room - len(head)) :]
    gone = len(data) - len(head) - len(tail)
    return head.decode("utf-8", "ignore") + _marker(gone) + tail.decode("utf-8", "ignore")


def _marker(count: int) -> str:
    return f"\n\n[... {count} bytes were left out here ...]\n\n"


def _text(result: JsonValue) -> bytes:
    sound = storable(result)
    return sound.encode() if isinstance(sound, str) else orjson.dumps(sound)
