"""HEAD and OPTIONS, which every path answers, and the methods that a path takes."""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALWAYS: Final = "OPTIONS"


def allowed_methods(path: str, routes: Sequence[Route]) -> list[str]:
    """Return all methods of a path, HEAD and OPTIONS included; none for one that is not there.

    The framework names those of the path's first route only.
    """
    found = {m for route in routes if route.path_regex.match(path) for m in route.methods or ()}
    if not found:
        return []
    return sorted(found | {_ALWAYS} | ({"HEAD"} if "GET" in found else set[str]()))


class EveryMethod:
    """Answers OPTIONS by itself and HEAD by what GET answers, without its body.

    OPTIONS wants no key: it says nothing but which methods a path has, which stands in the public
    OpenAPI document, and who asks is a browser or a proxy that has none to send.
    """

    def __init__(self, app: ASGIApp, *, routes: Sequence[Route]) -> None:
        """Take all routes of the application."""
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        match scope.get("method"):
            case "HEAD":
                await self._head(scope, send)
            case "OPTIONS" if allowed := allowed_methods(scope["path"], self._routes):
                headers = {"Allow": ", ".join(allowed)}
                await Response(None, HTTPStatus.NO_CONTENT, headers)(scope, receive, send)
            case _:
                await self._app(scope, receive, send)

    async def _head(self, scope: Scope, send: Send) -> None:
        got = {**scope, "method": "GET"}
        started = asyncio.Event()

        async def receive() -> Message:
            # With the headers everything is said: what would go on, a stream, finds nobody.
            await started.wait()
            return {"type": "http.disconnect"}

        async def send_start(message: Message) -> None:
            if message["type"] == "http.response.start":
                scope["route"] = got.get("route")
                started.set()
                await send(message)

        await self._app(got, receive, send_start)
        await send({"type": "http.response.body", "body": b""})
