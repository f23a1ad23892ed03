"""Turns what pydantic says of a request into our refusal, field by field. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi.exceptions import RequestValidationError

from api.http.strict_json import join
from api.problems import Problem, invalid, not_found
from api.schemas.content import TAG
from shared.submission.errors import FieldFault

_CHOSEN: Final = "key"
"""What callers choose themselves may be wrong; an id that can't be one names nothing."""

_NAME_OF_MEMBER: Final = "[key]"
"""What pydantic puts behind the place when the name of a member is at fault."""


def problem_of_validation(error: RequestValidationError) -> Problem:
    """Return `invalid_request`, or `not_found` for what can't be an id."""
    rows: Sequence[Mapping[str, Any]] = error.errors()
    if any(row["loc"][0] == "path" and row["loc"][1] != _CHOSEN for row in rows):
        return not_found("chat, message or turn")
    return invalid([_fault(row) for row in rows])


def _fault(row: Mapping[str, Any]) -> FieldFault:
    where = ""
    steps = row["loc"][1:]
    for step in steps[:-1] if steps and steps[-1] == _NAME_OF_MEMBER else steps:
        if isinstance(step, int) or not step.startswith(TAG):
            where = join(where, step)
    return FieldFault(field=where, detail=_words(row, where))


def _words(row: Mapping[str, Any], where: str) -> str:
    match row["type"]:
        case "extra_forbidden":
            return "is not known here: remove it, or correct its name"
        case "missing" if where:
            return "is needed"
        case "missing":
            return "a JSON object is needed as the body"
        case _:
            words = str(row["msg"]).removeprefix("Value error, ")
            return words.replace("Input should", "must", 1)
