"""Keeps secrets out of the log: by the name of a field, and by the shape of a text. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Final, cast

HIDDEN: Final = "***"

_SECRET_NAMES: Final = re.compile(
    r"(^|_)(authorization|cookie|password|passwd|secret|token|api_?key|bearer)$", re.IGNORECASE
)

# Our own keys, the keys of providers, bearer tokens, and the password in a URL.
_SECRET_SHAPES: Final = (
    (re.compile(r"\bswk_[A-Za-z0-9_-]+"), f"swk_{HIDDEN}"),
    (re.compile(r"\bsk-[A-Za-z0-9_-]{8,}"), f"sk-{HIDDEN}"),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9+/_.~=-]+", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (re.compile(r"(://[^\s:/@]*):[^\s/@]+@"), rf"\1:{HIDDEN}@"),
)


def redact(name: str, value: object) -> object:
    """Return what may be logged of the field `name`; containers are looked through."""
    if _SECRET_NAMES.search(name):
        return HIDDEN
    match value:
        case str():
            return redact_text(value)
        case bytes():
            return redact_text(value.decode("utf-8", "replace"))
        case Mapping():
            items = cast(Mapping[object, object], value).items()
            return {str(key): redact(str(key), item) for key, item in items}
        case Sequence():
            return [redact("", item) for item in cast(Sequence[object], value)]
        case bool() | int() | float() | None:
            return value
        case _:
            return redact_text(str(value))


def redact_text(text: str) -> str:
    """Return the text without anything that looks like a secret."""
    for shape, replacement in _SECRET_SHAPES:
        text = shape.sub(replacement, text)
    return text
