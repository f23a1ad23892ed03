"""Stop a turn, or try a failed one again."""

from http import HTTPStatus
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from api.openapi import refusals
from api.problems import ProblemCode
from api.requests.dependencies import MoverOf, reply
from api.requests.path_ids import ChatPath
from api.requests.route import AuthenticatedRoute
from api.schemas import answers
from api.schemas.requests import Interruption, Nothing
from api.submit.mover import Accepted
from shared.chats.machine.change import Change
from shared.chats.moves.callers import interrupt_retry as control

router: Final = APIRouter(prefix="/v1", route_class=AuthenticatedRoute)


@router.post(
    "/chats/{chat_id}/interrupt",
    status_code=HTTPStatus.ACCEPTED,
    response_model=answers.Accepted,
    responses=refusals(ProblemCode.CHAT_ARCHIVED),
)
def interrupt(chat_id: ChatPath, mover: MoverOf, body: Interruption | None = None) -> Response:
    """Stop the turn that is being answered; where there is none, that is a success too."""
    clear_queue = body is not None and body.clear_queue

    def interrupted(change: Change) -> Accepted:
        stopped = change.chat.current_turn_id
        control.interrupt(change, clear_queue=clear_queue)
        return Accepted(turn_id=stopped)

    return reply(mover, mover.answer(lambda: mover.move(chat_id, interrupted)))


@router.post(
    "/chats/{chat_id}/retry",
    status_code=HTTPStatus.ACCEPTED,
    response_model=answers.Accepted,
    responses=refusals(ProblemCode.MOVE_NOT_ALLOWED, ProblemCode.CHAT_ARCHIVED),
)
def retry(chat_id: ChatPath, mover: MoverOf, body: Nothing | None = None) -> Response:
    """Try the failed turn again."""

    def retried(change: Change) -> Accepted:
        control.retry(change)
        return Accepted(turn_id=change.chat.current_turn_id)

    return reply(mover, mover.answer(lambda: mover.move(chat_id, retried)))
