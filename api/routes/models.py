"""The models that chats may name."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from api.http.responses import JsonResponse
from api.render import Json
from api.requests.route import AuthenticatedRoute, DepsOf
from api.schemas import answers
from shared.config.catalog import Catalog, Model

router: Final = APIRouter(prefix="/v1", route_class=AuthenticatedRoute)


@router.get("/models", response_model=answers.Models)
async def list_models(deps: DepsOf) -> Response:
    """List the declared models, and whether each can be used now."""
    models = deps.catalog.models.values()
    return JsonResponse({"items": [_render(deps.catalog, model) for model in models]})


def _render(catalog: Catalog, model: Model) -> Json:
    availability = catalog.availability(model.name)
    written: Json = {
        "id": model.name,
        "provider": model.provider,
        "context_limit": model.context_limit,
        "default": model.name == catalog.default_model,
        "available": availability.available,
    }
    if availability.reason is not None:
        written["reason"] = availability.reason
    return written
