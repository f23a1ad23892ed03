"""Find the line of a TOML file that a key stands on, so that an error can name it."""

import tomllib
from collections.abc import Iterator, Sequence

from pydantic import JsonValue, TypeAdapter, ValidationError

_TREE: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)


def line_of(text: str, path: Sequence[str]) -> int | None:
    """Return the 1-based line that shares most of `path`, the first of several, None for none."""
    best: tuple[int, int] | None = None
    for number, found in _statements(text):
        depth = _common(found, path)
        if depth and (best is None or depth > best[0]):
            best = (depth, number)
    return best[1] if best else None


def _statements(text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield (line number, full key path) for every line that opens a table or sets a key."""
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith("["):
            header = _path(stripped)
            if header:
                table = header
                yield number, table
        elif "=" in stripped:
            key = _path(stripped.partition("=")[0] + "= 0")
            if key:
                yield number, table + key


def _path(statement: str) -> tuple[str, ...]:
    """Return the key path of one TOML statement, () when the line is not one."""
    try:
        node = _TREE.validate_python(tomllib.loads(statement))
    except (tomllib.TOMLDecodeError, ValidationError):
        return ()  # the middle of a multi-line value
    path: list[str] = []
    while isinstance(node, dict) and len(node) == 1:
        [(key, node)] = node.items()
        path.append(key)
    return tuple(path)


def _common(found: tuple[str, ...], path: Sequence[str]) -> int:
    """Return how many keys the two paths share from the start."""
    shared = 0
    for one, other in zip(found, path, strict=False):
        if one != other:
            break
        shared += 1
    return shared
