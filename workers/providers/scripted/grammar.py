"""The grammar of scripts: what a fake model plays, written as JSON in a user message.

`{"script": [step, ...]}`, alone or in a fenced block; `docs/models.md` has every step. The
scripted model and the fake servers of the tests read the same grammar.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal, TypeVar

import orjson
from pydantic import JsonValue, TypeAdapter, ValidationError

from workers.providers.scripted.steps import (
    Count,
    Fail,
    Next,
    Pause,
    Reason,
    Repeat,
    Say,
    Script,
    ScriptedCall,
    ScriptedEnd,
    ScriptError,
    Seconds,
    Stall,
    Step,
    Think,
    Truncate,
)

_FENCED = re.compile(r"```[a-z]*\s*\n(.*?)```", re.DOTALL)


def find_script(text: str, errors: Mapping[str, Fail]) -> Script | None:
    """Read the script in a user's message; None when it is just a message.

    `errors` are the ready-made failures of the dialect, for `{"fail": "<name>"}`.
    """
    stripped = text.strip()
    candidates = [stripped] if stripped.startswith("{") else _FENCED.findall(text)
    for candidate in candidates:
        if '"script"' in candidate:
            return parse_script(_load(candidate), errors)
    return None


def parse_script(value: JsonValue, errors: Mapping[str, Fail]) -> Script:
    """Check a script that is already JSON."""
    if not isinstance(value, dict):
        raise ScriptError("a script is an object: {'script': [steps]}")
    unknown = set(value) - {"script", "key", "wire"}
    if unknown:
        raise ScriptError(f"a script has no key {sorted(unknown)[0]!r}: script, key, wire")
    steps, key, wire = value.get("script"), value.get("key", ""), value.get("wire", {})
    if not isinstance(steps, list):
        raise ScriptError("'script' is a list of steps")
    if not isinstance(key, str) or not isinstance(wire, dict):
        raise ScriptError("'key' is a text and 'wire' an object")
    rounds: list[list[Step]] = [[]]
    for number, raw in enumerate(steps, start=1):
        step = _step(number, raw, errors)
        if isinstance(step, Next):
            rounds.append([])
        else:
            rounds[-1].append(step)
    return Script(rounds=tuple(tuple(steps) for steps in rounds), key=key, wire=wire)


def _load(text: str) -> JsonValue:
    try:
        loaded: JsonValue = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ScriptError(f"the script is not JSON: {error}") from None
    return loaded


def _step(number: int, raw: JsonValue, errors: Mapping[str, Fail]) -> Step:
    """Read one step: an object with exactly one key."""
    if not isinstance(raw, dict) or len(raw) != 1:
        raise ScriptError(f"step {number}: a step is an object with one key")
    [(name, value)] = raw.items()
    if name == "fail" and isinstance(value, str):
        if value not in errors:
            raise ScriptError(f"step {number}: no ready-made error {value!r}: {_listed(errors)}")
        return errors[value]
    if name not in _STEPS:
        raise ScriptError(f"step {number}: there is no step {name!r}: {_listed(_STEPS)}")
    try:
        return _STEPS[name](value)
    except ValidationError as error:
        row = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(key) for key in (name, *row["loc"]))
        raise ScriptError(f"step {number}: {where}: {row['msg']}") from None


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(sorted(names))


_T = TypeVar("_T")


def _reader(adapter: TypeAdapter[_T], make: Callable[[_T], Step]) -> Callable[[JsonValue], Step]:
    """Check a step's value strictly, then make the step of it."""
    return lambda value: make(adapter.validate_json(orjson.dumps(value), strict=True))


def _with_times(step: Fail) -> Fail:
    """`fail_times` without a number fails once."""
    return step if step.times is not None else replace(step, times=1)


def _itself(step: _T) -> _T:
    return step


_TEXT = TypeAdapter(str)
_PAUSE: TypeAdapter[float] = TypeAdapter(Seconds)
_TRUE: TypeAdapter[Literal[True]] = TypeAdapter(Literal[True])
_REASON: TypeAdapter[Reason] = TypeAdapter(Reason)

_STEPS: Mapping[str, Callable[[JsonValue], Step]] = {
    "text": _reader(_TEXT, Say),
    "reasoning": _reader(_TEXT, Think),
    "delay": _reader(_PAUSE, Pause),
    "repeat": _reader(TypeAdapter(Repeat), _itself),
    "call": _reader(TypeAdapter(ScriptedCall), _itself),
    "fail": _reader(TypeAdapter(Fail), _itself),
    "fail_times": _reader(TypeAdapter(Fail), _with_times),
    "truncate": _reader(_TRUE, lambda _: Truncate()),
    "stall": _reader(_TRUE, lambda _: Stall()),
    "next": _reader(_TRUE, lambda _: Next()),
    "usage": _reader(TypeAdapter(Count), _itself),
    "finish": _reader(_REASON, ScriptedEnd),
}
