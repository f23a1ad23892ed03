"""The OpenAPI document: FastAPI's, with our refusals, the key, and named enums."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.problems import PROBLEM_JSON, STATUS, ProblemCode
from api.schemas.answers import Problem
from shared.events.types import EventName

Document = dict[str, Any]
Responses = dict[int | str, dict[str, Any]]
"""What FastAPI takes as the further answers of a route."""

_REFS: Final = "#/components/schemas/{model}"
_RENAMED: Final = {"Status": "ChatStatus"}
_OF_FASTAPI: Final = ("HTTPValidationError", "ValidationError")

_EVERYWHERE: Final = (
    ProblemCode.INVALID_REQUEST,
    ProblemCode.UNAUTHENTICATED,
    ProblemCode.UNAVAILABLE,
)
_WITH_BODY: Final = (
    ProblemCode.TOO_LARGE,
    ProblemCode.UNSUPPORTED_MEDIA_TYPE,
    ProblemCode.IDEMPOTENCY_MISMATCH,
)

_WORDS: Final = """\
Chats on a fleet: a message is accepted at once and answered by workers, step by step.

Every refusal is a `Problem` (`application/problem+json`); programs look at its `code`. A chat that
the caller may not read is 404. A cursor is a position in a chat's stream.
"""


def refusals(*codes: ProblemCode) -> Responses:
    """Return what a route declares of the refusals that are its own."""
    by_status: Responses = {}
    for code in codes:
        response = by_status.setdefault(STATUS[code].value, _response())
        response["description"] = _add(str(response["description"]), code)
    return by_status


def stream_answer(status: int) -> Responses:
    """Return what a route declares that can answer with the stream of the turn it begins."""
    stream = {
        "description": "with `Accept: text/event-stream`: the stream of the turn, to its end",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
        "headers": {
            name: {"schema": {"type": "string", "format": "uuid"}}
            for name in ("Stepwell-Chat-Id", "Stepwell-Turn-Id")
        },
    }
    return {200: stream, status: {"description": "accepted"}}


def describe(app: FastAPI) -> None:
    """Have the application serve our document."""
    made: list[Document] = []

    def document() -> Document:
        if not made:
            made.append(make_document(app))
        return made[0]

    app.openapi = document


def make_document(app: FastAPI) -> Document:
    """Return the whole document."""
    document = get_openapi(
        title=app.title, version=app.version, description=_WORDS, routes=app.routes
    )
    schemas: Document = document["components"]["schemas"]
    for name in _OF_FASTAPI:
        schemas.pop(name, None)
    schemas.update(_models())
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(operation, path, method)
    document["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "bearerFormat": "swk_…"}
    }
    return _renamed(document)


def _models() -> Document:
    """Return the schemas that no route's signature brings along."""
    problem = Problem.model_json_schema(ref_template=_REFS)
    found: Document = problem.pop("$defs")
    found["Problem"] = problem
    found["EventName"] = _enum(EventName)
    return found


def _enum(kind: type[StrEnum]) -> Document:
    return {
        "type": "string",
        "title": kind.__name__,
        "description": kind.__doc__,
        "enum": [member.value for member in kind],
    }


def _complete(operation: Document, path: str, method: str) -> None:
    responses: Document = operation["responses"]
    validation = responses.get("422", {}).get("content", {}).get("application/json")
    if validation is not None:
        del responses["422"]
    if not path.startswith("/v1/"):
        operation["security"] = []
        return
    operation["security"] = [{"key": []}]
    codes = [*_EVERYWHERE]
    if "{" in path:
        codes.append(ProblemCode.NOT_FOUND)
    if method in ("post", "put", "patch"):
        codes += _WITH_BODY
    _refuse(responses, codes)


def _refuse(responses: Document, codes: Iterable[ProblemCode]) -> None:
    for code in codes:
        response = responses.setdefault(str(STATUS[code].value), _response())
        response["description"] = _add(response["description"], code)


def _response() -> dict[str, Any]:
    schema: Mapping[str, str] = {"$ref": _REFS.format(model="Problem")}
    return {"description": "", "content": {PROBLEM_JSON: {"schema": dict(schema)}}}


def _add(words: str, code: ProblemCode) -> str:
    known = words.split(", ") if words else []
    return words if f"`{code.value}`" in known else ", ".join([*known, f"`{code.value}`"])


def _renamed(document: Document) -> Document:
    """Give schemas names that say what they are of, outside of their Python modules too."""
    schemas: Document = document["components"]["schemas"]
    for old, new in _RENAMED.items():
        if old in schemas:
            schemas[new] = {**schemas.pop(old), "title": new}
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    text = orjson.dumps(document).decode()
    for old, new in _RENAMED.items():
        text = text.replace(f'"{_REFS.format(model=old)}"', f'"{_REFS.format(model=new)}"')
    return orjson.loads(text)
