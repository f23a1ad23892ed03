"""The built-in tools that models may call."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from api.http.responses import JsonResponse
from api.render import Json
from api.requests.route import AuthenticatedRoute, DepsOf
from api.schemas import answers
from shared.tools.published import PublishedTool, list_published

router: Final = APIRouter(prefix="/v1", route_class=AuthenticatedRoute)


@router.get("/tools", response_model=answers.Tools)
def list_tools(deps: DepsOf) -> Response:
    """List the built-in tools of the fleet: those that its workers have published."""
    with deps.engine.connect() as connection:
        found = list_published(connection)
    return JsonResponse({"items": [_render(tool) for tool in found]})


def _render(tool: PublishedTool) -> Json:
    return {
        "name": tool.name,
        "description": tool.description,
        "input_schema": tool.input_schema,
        "source": tool.source,
        "policy": tool.policy.value,
    }
