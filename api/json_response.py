"""Answers in JSON, written by orjson."""

from collections.abc import Mapping
from typing import Final

import orjson
from starlette.responses import Response

from api.problems import Problem
from shared.jsonvalue import JsonValue

PROBLEM_JSON: Final = "application/problem+json"


class JsonResponse(Response):
    """An answer that is written at once."""

    media_type = "application/json"

    def __init__(
        self, value: JsonValue, status_code: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Write the value."""
        super().__init__(orjson.dumps(value), status_code, dict(headers or {}))


class ProblemResponse(Response):
    """A refusal."""

    media_type = PROBLEM_JSON

    def __init__(self, problem: Problem) -> None:
        """Write the problem."""
        super().__init__(orjson.dumps(problem.body()), problem.status.value, dict(problem.headers))
