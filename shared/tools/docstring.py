"""Reads a docstring in Google's style: what a tool does, and what its parameters mean. Pure."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_SECTION: Final = re.compile(r"(Args|Arguments|Parameters):")
_ENTRY: Final = re.compile(r"(\w+)\s*(?:\([^)]*\))?:\s*(.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Docstring:
    """The words without the section of the parameters, and those about each parameter."""

    description: str
    parameters: Mapping[str, str]


def read_docstring(text: str | None) -> Docstring:
    """Take a docstring apart; one without a section of parameters is a description only."""
    lines = inspect.cleandoc(text or "").splitlines()
    start = next((n for n, line in enumerate(lines) if _SECTION.fullmatch(line.strip())), None)
    if start is None:
        return Docstring(description="\n".join(lines).strip(), parameters={})
    depth = _indent(lines[start])
    end = next(
        (n for n in range(start + 1, len(lines)) if lines[n] and _indent(lines[n]) <= depth),
        len(lines),
    )
    described = "\n".join([*lines[:start], *lines[end:]])
    return Docstring(description=described.strip(), parameters=_entries(lines[start + 1 : end]))


def _entries(lines: list[str]) -> dict[str, str]:
    """Read `name: text`; what is indented further goes on with the entry above."""
    found: dict[str, str] = {}
    depth = min((_indent(line) for line in lines if line), default=0)
    name = ""
    for line in filter(None, lines):
        entry = _ENTRY.fullmatch(line.strip())
        if entry is not None and _indent(line) == depth:
            name = entry[1]
            found[name] = entry[2].strip()
        elif name:
            found[name] = f"{found[name]} {line.strip()}".strip()
    return found


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
