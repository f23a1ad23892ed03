"""Stop a turn, or try a failed one again."""

from http import HTTPStatus
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from api.openapi import refusals
from api.problems import ProblemCode
from api.requests.dependencies import SubmitOf
from api.requests.path_ids import ChatPath
from api.requests.route import AuthenticatedRoute
from api.schemas import answers
from api.schemas.requests import Interruption, Nothing
from shared.chats.moves.callers import interrupt_retry as control

router: Final = APIRouter(prefix="/v1", route_class=AuthenticatedRoute)


@router.post(
    "/chats/{chat_id}/interrupt",
    status_code=HTTPStatus.ACCEPTED,
    response_model=answers.Accepted,
    responses=refusals(ProblemCode.CHAT_ARCHIVED),
)
def interrupt(chat_id: ChatPath, submit: SubmitOf, body: Interruption | None = None) -> Response:
    """Stop the turn that is being answered; where there is none, that is a success too."""
    clear_queue = body is not None and body.clear_queue
    with submit.open(chat_id) as change:
        stopped = change.chat.current_turn_id
        control.interrupt(change, clear_queue=clear_queue)
        return submit.accepted(change, stopped)


@router.post(
    "/chats/{chat_id}/retry",
    status_code=HTTPStatus.ACCEPTED,
    response_model=answers.Accepted,
    responses=refusals(ProblemCode.MOVE_NOT_ALLOWED, ProblemCode.CHAT_ARCHIVED),
)
def retry(chat_id: ChatPath, submit: SubmitOf, body: Nothing | None = None) -> Response:
    """Try the failed turn again."""
    with submit.open(chat_id) as change:
        control.retry(change)
        return submit.accepted(change, change.chat.current_turn_id)
