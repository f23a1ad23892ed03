"""The transcript and the turns of a chat."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from api.auth.caller import Caller
from api.deps import Deps
from api.http.responses import JsonResponse
from api.problems import not_found
from api.render import render_message, render_turn
from api.requests.dependencies import readable_chat
from api.requests.path_ids import ChatPath, TurnPath
from api.requests.route import AuthenticatedRoute, CallerOf, DepsOf
from api.requests.turn_wait import wait_for_turn
from api.schemas import answers
from api.schemas.queries import MessageQuery, TurnQuery
from shared.chats.model.ids import ChatId, MessageId, TurnId
from shared.chats.model.statuses import ENDED, TurnStatus
from shared.chats.model.turns import Turn
from shared.chats.reads import messages as stored_messages
from shared.chats.reads.turns import find_turn

router: Final = APIRouter(prefix="/v1", route_class=AuthenticatedRoute)

_SETTLED: Final = ENDED | {TurnStatus.REQUIRES_ACTION}


@router.get("/chats/{chat_id}/messages", response_model=answers.MessagePage)
def list_messages(
    chat_id: ChatPath,
    query: Annotated[MessageQuery, Query()],
    deps: DepsOf,
    caller: CallerOf,
) -> Response:
    """List messages; `next_cursor` is the next page's `before_id`, or `after_id` where that led."""
    with deps.engine.connect() as connection:
        readable_chat(connection, caller, chat_id)
        page = stored_messages.list_messages(
            connection,
            chat_id,
            limit=query.limit,
            before=None if query.before_id is None else MessageId(query.before_id),
            after=None if query.after_id is None else MessageId(query.after_id),
        )
    return JsonResponse(
        {
            "items": [render_message(message) for message in page.items],
            "next_cursor": page.items[-1].id if page.more else None,
        }
    )


@router.get("/chats/{chat_id}/turns/{turn_id}", response_model=answers.Turn)
async def get_turn(
    chat_id: ChatPath,
    turn_id: TurnPath,
    query: Annotated[TurnQuery, Query()],
    deps: DepsOf,
    caller: CallerOf,
) -> Response:
    """Return a turn; with `wait` as soon as it has ended or paused, or when the time is over."""
    turn = await run_in_threadpool(_read_turn, deps, caller, chat_id, turn_id)
    if query.wait and turn.status not in _SETTLED:
        await wait_for_turn(deps.streams.hub, caller, chat_id, turn_id, seconds=query.wait)
        turn = await run_in_threadpool(_read_turn, deps, caller, chat_id, turn_id)
    return JsonResponse(render_turn(turn))


def _read_turn(deps: Deps, caller: Caller, chat_id: ChatId, turn_id: TurnId) -> Turn:
    deps.authenticator.confirm(caller)
    with deps.engine.connect() as connection:
        readable_chat(connection, caller, chat_id)
        turn = find_turn(connection, chat_id, turn_id)
    if turn is None:
        raise not_found("turn")
    return turn
