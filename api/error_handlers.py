"""Registers what becomes of every exception: a problem, never a page of the framework's own."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route

from api.auth.errors import AuthError
from api.http.methods import allowed_methods
from api.http.strict_json import readable
from api.problems import Problem, ProblemCode, ProblemResponse, problem_of
from api.requests.validation import problem_of_validation
from api.stream.errors import StreamError
from api.submit.submit import Repeated
from shared.chats.model.errors import ChatsError
from shared.submission.errors import SubmissionError

_CLIENT_GONE: Final = 499

EXPECTED: Final = (
    Problem,
    AuthError,
    ChatsError,
    SQLAlchemyError,
    StreamError,
    SubmissionError,
)

_log = structlog.stdlib.get_logger()


def register(app: FastAPI, routes: Sequence[Route]) -> None:
    """Answer every exception with a problem; `routes` are all of the application's."""

    async def refuse_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return ProblemResponse(_framework_problem(error, request.url.path, routes))

    for kind in EXPECTED:
        app.add_exception_handler(kind, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_validation)
    app.add_exception_handler(HTTPException, refuse_http)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Repeated, _repeat)


async def _refuse(_: Request, error: Exception) -> Response:
    problem = problem_of(error)
    if problem.code is ProblemCode.UNAVAILABLE:
        _log.warning("http.unavailable", error=str(error))
    if problem.code is ProblemCode.INTERNAL and isinstance(error, SQLAlchemyError | ChatsError):
        _log.error("http.failed", exc_info=error)
    return ProblemResponse(problem)


async def _repeat(_: Request, error: Exception) -> Response:
    assert isinstance(error, Repeated)
    return error.response


async def _refuse_validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return ProblemResponse(problem_of_validation(error))


def _framework_problem(error: HTTPException, path: str, routes: Sequence[Route]) -> Problem:
    """Return what the framework itself refuses: unknown paths and methods."""
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            return Problem(ProblemCode.NOT_FOUND, f"There is no path {readable(path)}.")
        case HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = ", ".join(allowed_methods(path, routes))
            return Problem(
                ProblemCode.METHOD_NOT_ALLOWED,
                f"This path takes {allowed}.",
                headers={"Allow": allowed},
            )
        case _:
            return Problem(ProblemCode.INVALID_REQUEST, "The request can't be read.")


async def _gone(_: Request, __: Exception) -> Response:
    """End the request of a client that left; nobody reads this."""
    return Response(status_code=_CLIENT_GONE)
