"""What every request under `/v1` passes before its handler: who calls, then what was sent."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, cast
from urllib.parse import unquote_to_bytes

from fastapi import Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute

from api.auth.authenticator import Authenticator, bearer
from api.auth.caller import Caller
from api.deps import Deps
from api.http.strict_json import ParsedJson
from api.problems import invalid_field, not_found
from api.requests.body import BODY_METHODS, ReadRequest, take_body
from shared.config.settings import Settings

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class AuthenticatedRoute(APIRoute):
    """A route that wants a key, and takes a small body of strict JSON."""

    def get_route_handler(self) -> Handler:
        """Put the checks before FastAPI's own, which would read the body of just anybody."""
        handle = super().get_route_handler()

        async def enter(request: Request) -> Response:
            deps = _deps(request)
            request.state.caller = await _identify(request, deps.authenticator)
            _check_address(request)
            if request.method not in BODY_METHODS:
                return await handle(request)
            body, read = await take_body(request, self.body_limit(deps.settings))
            request.state.read = read
            return await handle(ReadRequest(request, body, read))

        return enter

    def body_limit(self, settings: Settings) -> int:
        """Return how many bytes a body may have."""
        return settings.max_body_bytes


class ContentRoute(AuthenticatedRoute):
    """A door that takes content too: files make large bodies."""

    def body_limit(self, settings: Settings) -> int:
        """Return how many bytes a body with content may have."""
        return settings.max_content_body_bytes


def _deps(request: Request) -> Deps:
    return cast(Deps, request.app.state.deps)


async def deps_of(request: Request) -> Deps:
    """Return what the application was made with. Not a thread's worth of work, hence `async`."""
    return _deps(request)


async def caller_of(request: Request) -> Caller:
    """Return the caller that the door let in."""
    return cast(Caller, request.state.caller)


async def read_of(request: Request) -> ParsedJson | None:
    """Return the parsed body that the door took in, None = there was none."""
    return cast("ParsedJson | None", request.state.read)


DepsOf = Annotated[Deps, Depends(deps_of)]
CallerOf = Annotated[Caller, Depends(caller_of)]
ReadOf = Annotated["ParsedJson | None", Depends(read_of)]


async def _identify(request: Request, gate: Authenticator) -> Caller:
    proof = bearer(request.headers.get("authorization"))
    return gate.known(proof) or await run_in_threadpool(gate.ask, proof)


def _check_address(request: Request) -> None:
    """Refuse what PostgreSQL can't compare with, or what would be read as something else."""
    path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    fault = _unreadable(unquote_to_bytes(path))
    if fault is not None:
        raise not_found(f"path: it holds {fault}")
    fault = _unreadable(unquote_to_bytes(query))
    if fault is not None:
        raise invalid_field("query", f"must not hold {fault}")


def _unreadable(address: bytes) -> str | None:
    if b"\0" in address:
        return "a NUL character"
    try:
        address.decode("utf-8")
    except UnicodeDecodeError:
        # The framework would put U+FFFD there: two keys could become the same one.
        return "bytes that are not UTF-8"
    return None
