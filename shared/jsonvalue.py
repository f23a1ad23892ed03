"""JSON values: what of them can be stored, and text that is JSON or is not."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import orjson

# A model can spell all of these, and PostgreSQL or our JSON writer would refuse the whole row.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_SMALLEST: Final = -(2**63)
_LARGEST: Final = 2**64 - 1
_DEEPEST: Final = 200
TOO_DEEP: Final = "[nested too deeply]"


JsonValue = None | bool | int | float | str | Sequence["JsonValue"] | Mapping[str, "JsonValue"]


def storable(value: JsonValue, *, level: int = 0) -> JsonValue:
    """Return a value as it can be stored: without NUL, half a surrogate pair and the like."""
    if level > _DEEPEST:
        return TOO_DEEP
    match value:
        case str():
            return storable_text(value)
        case bool() | None | float():
            return value
        case int():
            return value if _SMALLEST <= value <= _LARGEST else _rounded(value)
        case Mapping():
            items = value.items()
            return {storable_text(name): storable(one, level=level + 1) for name, one in items}
        case _:
            return [storable(one, level=level + 1) for one in value]


def storable_text(text: str) -> str:
    """Return a text as it can be stored: without NUL and half a surrogate pair."""
    if _UNSTORABLE.search(text) is None:
        return text
    # Two halves that came one by one are whole again in UTF-16.
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\x00", "\ufffd")


def _rounded(value: int) -> JsonValue:
    try:
        return float(value)
    except OverflowError:
        return str(value)


JsonObject = Mapping[str, JsonValue]


def parse_or_text(text: str) -> JsonValue:
    """Return the parsed JSON, or the text itself if it is none: a model may have been cut off."""
    try:
        parsed: JsonValue = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return parsed
