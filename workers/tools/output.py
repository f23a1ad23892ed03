"""What a function returned, as a result that can be stored and shown to a model. Pure."""

import base64
from dataclasses import dataclass
from typing import Final, cast

from pydantic_core import to_jsonable_python

from shared.jsonvalue import JsonValue
from shared.tools.spec import Media

LARGEST_MEDIA: Final = 5 * 1024 * 1024
"""In bytes; more than that no provider takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What came of a tool, before it is cut."""

    result: JsonValue
    is_error: bool = False
    is_media: bool = False


def failure(text: str) -> Output:
    """Return what a model gets of a tool that did not do what was asked."""
    return Output(result=text, is_error=True)


def output_of(value: object) -> Output:
    """Return text as it is, bytes as text, a file as media, and anything else as JSON."""
    match value:
        case str():
            return Output(result=value)
        case bytes() | bytearray():
            return Output(result=bytes(value).decode("utf-8", "replace"))
        case Media():
            return _media(value)
        case _:
            return _json(value)


def _media(media: Media) -> Output:
    if len(media.data) > LARGEST_MEDIA:
        return failure(
            f"The tool returned a file of {len(media.data)} bytes, which is too large to show."
        )
    result: dict[str, JsonValue] = {
        "media_type": media.media_type,
        "data": base64.b64encode(media.data).decode(),
    }
    if media.text:
        result["text"] = media.text
    return Output(result=result, is_media=True)


def _json(value: object) -> Output:
    try:
        return Output(result=cast(JsonValue, to_jsonable_python(value)))
    except (ValueError, TypeError, RecursionError):
        # The text of the error may quote the value.
        kind = type(value).__name__
        return failure(f"The tool returned a value of type {kind!r} that can't be written as JSON.")
