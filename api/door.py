"""What every request under `/v1` passes before its handler: who calls, then what was sent."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, cast

from fastapi import Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute

from api.access.caller import Caller
from api.access.gate import Gate, bearer
from api.body import BODY_METHODS, ReadRequest, take_body
from api.deps import Deps
from api.problems import invalid_field, not_found
from api.strict_json import Read
from shared.config.settings import Settings

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Door(APIRoute):
    """A route that wants a key, and takes a small body of strict JSON."""

    def get_route_handler(self) -> Handler:
        """Put the checks before FastAPI's own, which would read the body of just anybody."""
        handle = super().get_route_handler()

        async def enter(request: Request) -> Response:
            deps = _deps(request)
            request.state.caller = await _identify(request, deps.gate)
            _refuse_nul(request)
            if request.method not in BODY_METHODS:
                return await handle(request)
            body, read = await take_body(request, self.body_limit(deps.settings))
            request.state.read = read
            return await handle(ReadRequest(request, body, read))

        return enter

    def body_limit(self, settings: Settings) -> int:
        """Return how many bytes a body may have."""
        return settings.max_body_bytes


class ContentDoor(Door):
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


async def read_of(request: Request) -> Read | None:
    """Return the parsed body that the door took in, None = there was none."""
    return cast("Read | None", request.state.read)


DepsOf = Annotated[Deps, Depends(deps_of)]
CallerOf = Annotated[Caller, Depends(caller_of)]
ReadOf = Annotated["Read | None", Depends(read_of)]


async def _identify(request: Request, gate: Gate) -> Caller:
    proof = bearer(request.headers.get("authorization"))
    return gate.known(proof) or await run_in_threadpool(gate.ask, proof)


def _refuse_nul(request: Request) -> None:
    """Refuse what PostgreSQL can't even compare with."""
    if any("\0" in str(value) for value in request.path_params.values()):
        raise not_found("path: it holds a NUL character")
    for name, value in request.query_params.multi_items():
        if "\0" in name or "\0" in value:
            raise invalid_field("query", "must not hold a NUL character")
