"""Gives every request an id for the log, and counts it; the outermost layer of the application."""

import re
from collections.abc import Callable
from typing import Final
from uuid import UUID

import structlog
from starlette.datastructures import MutableHeaders
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import ProblemResponse, problem_of
from shared.metrics.metrics import Metrics

REQUEST_ID: Final = "X-Request-Id"
_GIVEN_ID: Final = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_UNMATCHED: Final = "unmatched"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_log = structlog.stdlib.get_logger()


class AccessLog:
    """Wraps the application. The time counted ends when the answer begins: a stream has no end."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        new_id: Callable[[], UUID],
        clock: Callable[[], float],
    ) -> None:
        """Take a monotonic clock in seconds."""
        self._app = app
        self._metrics = metrics
        self._new_id = new_id
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._id_of(scope)
        began = self._clock()
        started = False

        async def observed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
                self._count(scope, message["status"], self._clock() - began)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, observed)
            except Exception as error:
                # Here and not in the framework's own outermost layer, which knows no request id.
                _log.exception("http.failed")
                if started:
                    raise
                await ProblemResponse(problem_of(error))(scope, receive, observed)

    def _id_of(self, scope: Scope) -> str:
        """Return the id that a proxy gave, if it has the form of one."""
        for name, value in scope["headers"]:
            if name == b"x-request-id" and _GIVEN_ID.fullmatch(value):
                return value.decode("ascii")
        return str(self._new_id())

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        # The template of the route and no other word of the caller's: labels must stay few.
        route = scope.get("route")
        path = route.path if isinstance(route, Route) else _UNMATCHED
        method = scope["method"] if scope["method"] in _METHODS else "other"
        labels = {"method": method, "route": path, "status": str(status)}
        self._metrics.http_requests_total.labels(**labels).inc()
        self._metrics.http_request_duration_seconds.labels(**labels).observe(seconds)
        _log.debug("http.answered", **labels, seconds=round(seconds, 6))
