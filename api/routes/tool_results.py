"""Take the results of dynamic tools."""

from http import HTTPStatus
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from api.openapi import refusals
from api.problems import ProblemCode
from api.requests.dependencies import SubmitOf
from api.requests.path_ids import ChatPath
from api.requests.route import AuthenticatedRoute, ReadOf
from api.schemas import answers
from api.schemas.tool_results import NewToolResults
from shared.chats.moves.callers import tool_results
from shared.chats.moves.callers.tool_results import ClientResult, SubmittedResults

router: Final = APIRouter(prefix="/v1", route_class=AuthenticatedRoute)


@router.post(
    "/chats/{chat_id}/tool-results",
    status_code=HTTPStatus.ACCEPTED,
    response_model=answers.Accepted,
    responses=refusals(ProblemCode.MOVE_NOT_ALLOWED, ProblemCode.CHAT_ARCHIVED),
)
def submit_tool_results(
    chat_id: ChatPath, body: NewToolResults, submit: SubmitOf, read: ReadOf
) -> Response:
    """Answer the tool calls that a chat waits for; after the last one its turn goes on.

    The newest results once more change nothing and get 202 again.
    """
    results = SubmittedResults(
        results=[
            ClientResult(tool_call_id=one.tool_call_id, output=one.output, is_error=one.is_error)
            for one in body.results
        ],
        partial=body.partial,
        canonical=b"" if read is None else read.canonical,
    )
    with submit.open(chat_id) as change:
        turn_id = change.chat.current_turn_id
        tool_results.submit_tool_results(change, results)
        return submit.accepted(change, turn_id)
