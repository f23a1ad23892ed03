"""What operators and their machines ask: alive, ready, measured, which version. No key needed."""

from typing import Final

from anyio import to_thread
from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import PlainTextResponse, Response

from api.http.responses import JsonResponse
from api.openapi import refusals
from api.problems import Problem, ProblemCode
from api.readiness import DependencyState, Readiness, Report
from api.render import Json
from api.requests.route import DepsOf
from api.schemas import health as answers
from shared.version import VERSION

router: Final = APIRouter()

_REASONS: Final = {
    DependencyState.AWAY: "PostgreSQL does not answer.",
    DependencyState.NOT_MIGRATED: "PostgreSQL is not migrated: run 'python -m shared.db.migrate'.",
}


@router.get("/livez", response_model=answers.Alive)
async def livez() -> Response:
    """Answer while the process lives."""
    return JsonResponse({"status": "ok"})


@router.get("/readyz", response_model=answers.Ready, responses=refusals(ProblemCode.UNAVAILABLE))
async def readyz(deps: DepsOf) -> Response:
    """Say whether work is accepted; 503 names the part that is away."""
    # In a thread of its own pool: the others may all be waiting for the same database.
    report = await to_thread.run_sync(deps.prober.report, limiter=deps.probe_limiter)
    if report.readiness is Readiness.UNAVAILABLE:
        raise _unavailable(report)
    return JsonResponse(_render(report))


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(deps: DepsOf) -> Response:
    """Return the metrics of this process, and how many chats wait."""
    page = await to_thread.run_sync(generate_latest, deps.registry, limiter=deps.probe_limiter)
    return Response(page, media_type=CONTENT_TYPE_LATEST)


@router.get("/version", response_model=answers.Version)
async def version() -> Response:
    """Return the version that runs."""
    return JsonResponse({"version": VERSION})


def _unavailable(report: Report) -> Problem:
    return Problem(
        ProblemCode.UNAVAILABLE,
        _REASONS[report.postgresql],
        more=_render(report),
        headers={"Retry-After": "1"},
    )


def _render(report: Report) -> Json:
    return {
        "readiness": report.readiness.value,
        "parts": {"postgresql": report.postgresql.value, "redis": report.redis.value},
    }
