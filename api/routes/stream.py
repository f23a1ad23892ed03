"""The stream of a chat, as server-sent events."""

from typing import Annotated, Final

from fastapi import APIRouter, Header, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.auth.stream_guard import GuardedEvents, confirming
from api.http.sse import EventStream
from api.openapi import refusals
from api.problems import ProblemCode
from api.requests.path_ids import ChatPath
from api.requests.route import AuthenticatedRoute, CallerOf, DepsOf
from api.stream.client import StreamRequest
from api.stream.cursor import parse_cursor
from api.stream.stop_condition import parse_until

router: Final = APIRouter(prefix="/v1", route_class=AuthenticatedRoute)

MAX_HISTORY: Final = 500

_WORDS: Final = (
    "Server-sent events; their names are in `EventName`. Each has an `id`: with it a stream goes on"
    " exactly behind the event. A comment comes every few seconds. A stream that ends without"
    " `until` may be opened again."
)
_EVENTS: Final = {
    "description": _WORDS,
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}


class StreamQuery(BaseModel):
    """Where a stream begins and where it ends."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    after: str | None = Field(
        default=None, max_length=200, description="an event's id, or a cursor: go on behind it"
    )
    history: int = Field(
        default=50, ge=0, le=MAX_HISTORY, description="so many of the newest messages come first"
    )
    until: str | None = Field(
        default=None, max_length=200, description="`idle`, or `turn:` and the id of a turn"
    )


@router.get(
    "/chats/{chat_id}/stream",
    response_class=Response,
    responses={200: _EVENTS, **refusals(ProblemCode.NOT_FOUND)},
)
async def stream_chat(
    chat_id: ChatPath,
    query: Annotated[StreamQuery, Query()],
    deps: DepsOf,
    caller: CallerOf,
    last_event_id: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """Follow a chat: what is new behind the given place, then what happens."""
    # A browser that comes back sends the same URL again, and in the header where it is by now.
    place = last_event_id or query.after
    request = StreamRequest(
        may_read=caller.may_read,
        place=None if not place else parse_cursor(place),
        history=query.history,
        until=None if query.until is None else parse_until(query.until),
    )
    source = await deps.streams.hub.join(chat_id, request)
    return EventStream(GuardedEvents(source, confirming(deps.authenticator, caller)))
