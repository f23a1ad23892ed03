"""What waits in a chat's queue."""

from http import HTTPStatus
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from api.http.responses import JsonResponse
from api.openapi import refusals
from api.problems import ProblemCode
from api.render import render_queued
from api.requests.dependencies import SubmitOf, readable_chat
from api.requests.path_ids import ChatPath, QueuedPath
from api.requests.route import AuthenticatedRoute, CallerOf, DepsOf
from api.schemas import answers
from api.submit.submit import Submit
from shared.chats.model.ids import QueuedId
from shared.chats.moves.callers.queue import delete_queued, promote_queued
from shared.chats.reads.messages import load_queue

router: Final = APIRouter(prefix="/v1", route_class=AuthenticatedRoute)


@router.get("/chats/{chat_id}/queue", response_model=answers.Queue)
def get_queue(chat_id: ChatPath, deps: DepsOf, caller: CallerOf) -> Response:
    """Return the queue, in the order in which it will be answered."""
    with deps.engine.connect() as connection:
        readable_chat(connection, caller, chat_id)
        queue = load_queue(connection, chat_id)
    return JsonResponse({"items": [render_queued(queued) for queued in queue]})


@router.delete(
    "/chats/{chat_id}/queue/{queued_id}",
    status_code=HTTPStatus.ACCEPTED,
    response_model=answers.Accepted,
    responses=refusals(ProblemCode.CHAT_ARCHIVED),
)
def remove_queued(
    chat_id: ChatPath, queued_id: QueuedPath, deps: DepsOf, caller: CallerOf
) -> Response:
    """Take a message out of the queue; its turn ends `replaced`."""
    # Whoever deletes twice is told that there is nothing more: no repeat to keep an answer for.
    submit = Submit(deps=deps, caller=caller)
    with submit.open(chat_id) as change:
        return submit.accepted(change, delete_queued(change, QueuedId(queued_id)))


@router.post(
    "/chats/{chat_id}/queue/{queued_id}/promote",
    status_code=HTTPStatus.ACCEPTED,
    response_model=answers.Accepted,
    responses=refusals(ProblemCode.MOVE_NOT_ALLOWED, ProblemCode.CHAT_ARCHIVED),
)
def promote(chat_id: ChatPath, queued_id: QueuedPath, submit: SubmitOf) -> Response:
    """Have a queued message answered next; what runs is interrupted."""
    with submit.open(chat_id) as change:
        return submit.moved(change, promote_queued(change, QueuedId(queued_id)))
