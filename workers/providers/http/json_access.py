"""Narrows decoded JSON without copying: what is not of the wanted type counts as absent.

It asks for `dict`, which is what decoders make: asking for `Mapping` takes four times as long, and
this is done several times for every delta.
"""

from collections.abc import Sequence
from types import MappingProxyType

import orjson

from shared.jsonvalue import JsonObject, JsonValue

EMPTY: JsonObject = MappingProxyType({})


def load_object(text: str | bytes) -> JsonObject | None:
    """Parse a JSON object; None for anything else, also for what is not JSON."""
    try:
        value: JsonValue = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def obj(value: JsonValue) -> JsonObject:
    """Return an object as it is, anything else as an empty one."""
    return value if isinstance(value, dict) else EMPTY


def items(value: JsonValue) -> Sequence[JsonValue]:
    """Return an array as it is, anything else as an empty one."""
    return value if isinstance(value, list) else ()


def text(value: JsonValue) -> str:
    """Return a text as it is, anything else as an empty one."""
    return value if isinstance(value, str) else ""


def count(value: JsonValue) -> int:
    """Return a number of tokens: a positive integer, 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def dump(value: JsonValue) -> str:
    """Return compact JSON, keys in their order."""
    return orjson.dumps(value).decode()
