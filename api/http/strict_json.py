"""Reads the JSON of a request, and refuses what could not be stored and given back. Pure.

Refused: duplicate keys, NaN and Infinity, numbers that 64 bits can't hold, NUL characters, halves
of surrogate pairs, and more than 100 levels of nesting.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import orjson

from shared.jsonvalue import JsonValue

_ORJSON_LEVELS: Final = 254
"""How deep orjson writes."""

MAX_LEVELS: Final = 100
"""How deep a request may be nested: what wraps a value when it is stored needs some levels too."""

_SPARE_LEVELS: Final = _ORJSON_LEVELS - MAX_LEVELS
_TOO_DEEP: Final = f"is nested in more than {MAX_LEVELS} levels"
_TOO_LARGE: Final = "must be a number that 64 bits can hold"

_SHOWN: Final = 80
_PLAIN: Final = re.compile(r"[A-Za-z0-9_:/-]{1,80}")

_ESCAPED_NUL: Final = rb"\u0000"

# An even number of backslashes before it are characters of their own.
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class BadJson(ValueError):
    """The body can't be used; `where` is the field at fault, empty for the whole."""

    def __init__(self, reason: str, where: str = "") -> None:
        """Keep both."""
        super().__init__(reason)
        self.reason, self.where = reason, where


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedJson:
    """A value, and the one way to write it: equal requests have equal bytes."""

    value: JsonValue
    canonical: bytes


def read_json(body: bytes) -> ParsedJson:
    """Read a body. Raise `BadJson`."""
    value = _parse(body)
    canonical = _write(value)
    if _ESCAPED_NUL in canonical and _NUL.search(canonical):
        raise BadJson("must not hold a NUL character", _find(value, _has_nul) or "")
    return ParsedJson(value=value, canonical=canonical)


def _parse(body: bytes) -> JsonValue:
    try:
        return json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except UnicodeDecodeError as error:
        raise BadJson(f"is not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise BadJson(_TOO_DEEP) from None
    except json.JSONDecodeError as error:
        raise BadJson(f"is not JSON: {error.msg} at character {error.pos}") from None
    except BadJson:
        raise
    except ValueError:  # what Python says of an integer of thousands of digits
        raise BadJson(_TOO_LARGE) from None


def _unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) < len(pairs):
        [(name, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise BadJson(f"has the key {readable(name)} twice in one object")
    return found


def _no_constant(name: str) -> JsonValue:
    raise BadJson(f"has {name}, which is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise BadJson(_TOO_LARGE)
    return number


def _write(value: JsonValue) -> bytes:
    # orjson checks depth, integers and surrogates far faster than a walk in Python would: wrapped
    # in the levels that are not for requests, a value that is too deep is refused.
    wrapped: object = value
    for _ in range(_SPARE_LEVELS):
        wrapped = (wrapped,)
    try:
        return orjson.dumps(wrapped, option=orjson.OPT_SORT_KEYS)[_SPARE_LEVELS:-_SPARE_LEVELS]
    except TypeError:
        raise _unwritable(value) from None


def _unwritable(value: JsonValue) -> BadJson:
    """Say why orjson did not take it."""
    where = _find(value, _has_half_pair)
    if where is not None:
        return BadJson("must not hold half of a surrogate pair", where)
    where = _find(value, _is_huge)
    if where is not None:
        return BadJson(_TOO_LARGE, where)
    return BadJson(_TOO_DEEP)


def _find(value: JsonValue, test: Callable[[JsonValue], bool]) -> str | None:
    """Return where the first value is that passes the test; keys are values too."""
    # Not recursive: whatever is looked for may be nested in any number of levels.
    waiting: list[tuple[str, JsonValue]] = [("", value)]
    while waiting:
        where, item = waiting.pop()
        if test(item):
            return where
        if isinstance(item, dict):
            for name, inner in cast(Mapping[str, JsonValue], item).items():
                inside = join(where, name)
                waiting += ((inside, inner), (inside, name))
        elif isinstance(item, list):
            rows = cast(Sequence[JsonValue], item)
            waiting += ((join(where, number), inner) for number, inner in enumerate(rows))
    return None


def join(where: str, step: str | int) -> str:
    """Return the name of a place inside another: `content[0].text`."""
    if isinstance(step, int):
        return f"{where}[{step}]"
    name = step if _PLAIN.fullmatch(step) else readable(step)
    return f"{where}.{name}" if where else name


def readable(text: str) -> str:
    """Return a caller's text as it may stand in an answer, whatever is in it."""
    shown = ascii(text)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"


def _has_nul(value: JsonValue) -> bool:
    return isinstance(value, str) and "\0" in value


def _has_half_pair(value: JsonValue) -> bool:
    return isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value)


def _is_huge(value: JsonValue) -> bool:
    return isinstance(value, int) and not -(2**63) <= value < 2**64
