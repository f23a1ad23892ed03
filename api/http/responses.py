"""Answers in JSON, written by orjson."""

from collections.abc import Mapping

import orjson
from starlette.responses import Response

from shared.jsonvalue import JsonValue


class JsonResponse(Response):
    """An answer that is written at once."""

    media_type = "application/json"

    def __init__(
        self, value: JsonValue, status_code: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Write the value."""
        super().__init__(orjson.dumps(value), status_code, dict(headers or {}))
