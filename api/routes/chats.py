"""Chats themselves: list, read, set fields, delete."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.http.responses import JsonResponse
from api.openapi import refusals
from api.problems import ProblemCode
from api.render import render_chat
from api.requests.dependencies import SubmitOf, readable_chat
from api.requests.path_ids import ChatPath
from api.requests.route import AuthenticatedRoute, CallerOf, DepsOf
from api.schemas import answers
from api.schemas.queries import ChatQuery, read_cursor, write_cursor
from api.schemas.requests import ChatChanges
from shared.chats.moves.callers.fields import NewFields, set_fields
from shared.chats.reads import chats as read
from shared.submission.new_chat import require_model

router: Final = APIRouter(prefix="/v1", route_class=AuthenticatedRoute)


@router.get("/chats", response_model=answers.ChatPage)
def list_chats(query: Annotated[ChatQuery, Query()], deps: DepsOf, caller: CallerOf) -> Response:
    """List the chats that the caller may read, the newest first."""
    labels = tuple((name, value) for name, _, value in (x.partition(":") for x in query.label))
    which = read.ChatFilter(
        owner=caller.sees,
        status=query.status,
        key=query.key,
        archived=query.archived,
        labels=labels,
    )
    before = None if query.cursor is None else read_cursor(query.cursor)
    with deps.engine.connect() as connection:
        found = read.list_chats(connection, which, limit=query.limit + 1, before=before)
    page = found[: query.limit]
    more = len(found) > query.limit
    return JsonResponse(
        {
            "items": [render_chat(chat) for chat in page],
            "next_cursor": write_cursor(page[-1].id) if more else None,
        }
    )


@router.get("/chats/{chat_id}", response_model=answers.Chat)
def get_chat(chat_id: ChatPath, deps: DepsOf, caller: CallerOf) -> Response:
    """Return a chat."""
    with deps.engine.connect() as connection:
        chat = readable_chat(connection, caller, chat_id)
    return JsonResponse(render_chat(chat))


@router.patch(
    "/chats/{chat_id}",
    response_model=answers.Chat,
    responses=refusals(ProblemCode.MOVE_NOT_ALLOWED, ProblemCode.CHAT_ARCHIVED),
)
def change_chat(chat_id: ChatPath, body: ChatChanges, submit: SubmitOf) -> Response:
    """Set a chat's fields; a model counts from the next step."""
    # What was not sent is None here, whatever its type says.
    require_model(submit.deps.catalog, body.model)
    new = NewFields(
        title=body.title,
        labels=body.labels,
        metadata=body.metadata,
        model=body.model,
        archived=body.archived,
    )
    with submit.open(chat_id) as change:
        change.unchanged = not body.model_fields_set
        set_fields(change, new)
        return submit.changed(change)


@router.delete("/chats/{chat_id}", status_code=HTTPStatus.NO_CONTENT)
def delete_chat(chat_id: ChatPath, deps: DepsOf, caller: CallerOf) -> Response:
    """Delete a chat and all that belongs to it; what runs is stopped."""
    # The owner of a chat never changes, so that looking before the move is enough.
    with deps.engine.connect() as connection:
        readable_chat(connection, caller, chat_id)
    deps.machine.delete(chat_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)
