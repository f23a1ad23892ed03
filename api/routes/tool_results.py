"""Take the results of dynamic tools."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from api.deps import Deps
from api.openapi import refusals
from api.problems import ProblemCode, invalid_field
from api.requests.dependencies import MoverOf, reply
from api.requests.path_ids import ChatPath
from api.requests.route import AuthenticatedRoute, ReadOf
from api.schemas import answers
from api.schemas.tool_results import NewToolResults
from api.submit.mover import Accepted
from shared.chats.machine.change import Change
from shared.chats.model.errors import InvalidToolResults
from shared.chats.model.parts import ToolResultPart
from shared.chats.moves.callers import tool_results
from shared.chats.moves.callers.tool_results import ClientResult, Submission
from shared.metrics.metrics import DYNAMIC_TOOL
from shared.tools.recorder import ToolRecorder

router: Final = APIRouter(prefix="/v1", route_class=AuthenticatedRoute)


@router.post(
    "/chats/{chat_id}/tool-results",
    status_code=HTTPStatus.ACCEPTED,
    response_model=answers.Accepted,
    responses=refusals(ProblemCode.MOVE_NOT_ALLOWED, ProblemCode.CHAT_ARCHIVED),
)
def submit_tool_results(
    chat_id: ChatPath, body: NewToolResults, mover: MoverOf, read: ReadOf
) -> Response:
    """Answer the tool calls that a chat waits for; after the last one its turn goes on.

    The newest results once more change nothing and get 202 again.
    """
    submission = Submission(
        results=[
            ClientResult(tool_call_id=one.tool_call_id, output=one.output, is_error=one.is_error)
            for one in body.results
        ],
        partial=body.partial,
        canonical=b"" if read is None else read.canonical,
    )
    taken = _Taken(mover.deps)

    def submitted(change: Change) -> Accepted:
        turn_id = change.chat.current_turn_id
        tool_results.submit_tool_results(change, submission, fit=taken.start(change.chat.model))
        return Accepted(turn_id=turn_id)

    try:
        answer = mover.answer(lambda: mover.move(chat_id, submitted))
    except InvalidToolResults as error:
        raise invalid_field("results", str(error)) from None
    taken.count()
    return reply(mover, answer)


class _Taken:
    """Cuts results to the room of the chat's model, and counts them once they are committed."""

    def __init__(self, deps: Deps) -> None:
        self._recorder = ToolRecorder(metrics=deps.metrics, models=deps.catalog.models)
        self._model = ""
        self._results: list[tuple[ToolResultPart, bool]] = []

    def start(self, model: str) -> Callable[[ToolResultPart], ToolResultPart]:
        """Begin a transaction of a chat with this model; return what cuts its results."""
        self._model = model
        self._results.clear()

        def fit(result: ToolResultPart) -> ToolResultPart:
            fitting = self._recorder.fit(model, result)
            self._results.append((fitting, fitting is not result))
            return fitting

        return fit

    def count(self) -> None:
        """Count what was taken."""
        for result, is_cut in self._results:
            self._recorder.result(self._model, DYNAMIC_TOOL, result, truncated=is_cut)
