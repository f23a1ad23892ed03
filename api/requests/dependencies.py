"""What handlers ask of a request: who makes it, whether it is a repeat, what it wants back."""

import re
from typing import Annotated, Final

from fastapi import Depends, Header, Request
from sqlalchemy import Connection
from starlette.responses import Response

from api.idempotency.answer import RecordedAnswer
from api.idempotency.keys import HEADER, identify
from api.problems import invalid_field, not_found
from api.requests.route import CallerOf, caller_of, deps_of, read_of
from api.requests.turn_response import TurnStream
from api.submit.mover import Mover
from shared.chats.model.chat import Chat
from shared.chats.model.ids import ChatId
from shared.chats.reads import chats as read

EVENT_STREAM: Final = "text/event-stream"
_QUALITY: Final = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")

KeyHeader = Annotated[
    str | None,
    Header(
        alias=HEADER,
        description="A repeat within 24 h does nothing and gets the same answer.",
        min_length=1,
        max_length=255,
        pattern=r"^[ -~]+$",
    ),
]


async def mover_of(request: Request, idempotency_key: KeyHeader = None) -> Mover:
    """Return what makes the moves of this request."""
    # Asked for directly: FastAPI takes 30 us for each dependency of a dependency.
    deps, caller = await deps_of(request), await caller_of(request)
    taken = await read_of(request)
    if len(request.headers.getlist(HEADER)) > 1:
        raise invalid_field(HEADER, "must be there once")
    canonical = b"" if taken is None else taken.canonical
    once = identify(
        caller, idempotency_key, method=request.method, path=request.url.path, canonical=canonical
    )
    return Mover(deps=deps, caller=caller, once=once)


async def wants_stream(request: Request) -> bool:
    """Say whether the answer shall be the stream of the turn."""
    return _quality(request, EVENT_STREAM) > _quality(request, "application/json")


MoverOf = Annotated[Mover, Depends(mover_of)]
WantsStream = Annotated[bool, Depends(wants_stream)]


def reply(mover: Mover, answer: RecordedAnswer, *, stream: bool = False) -> Response:
    """Return the answer as JSON, or as the stream of the turn that it is about."""
    if stream and answer.turn_id is not None:
        return TurnStream(mover.deps, mover.caller, answer.chat_id, answer.turn_id)
    return Response(answer.body, answer.status, media_type="application/json")


def readable_chat(connection: Connection, caller: CallerOf, chat_id: ChatId) -> Chat:
    """Return the chat, if it exists for this caller. Raise `Problem`."""
    chat = read.find_chat(connection, chat_id, owner=caller.sees)
    if chat is None:
        raise not_found("chat")
    return chat


def _quality(request: Request, kind: str) -> float:
    """Return how much the caller wants this kind, named as it is; 0 = not at all."""
    for accepted in ",".join(request.headers.getlist("accept")).split(","):
        name, *parameters = (piece.strip().lower() for piece in accepted.split(";"))
        if name == kind:
            return _q(parameters)
    return 0.0


def _q(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            # Three digits behind the point are all that there may be; another value is none.
            return float(value) if _QUALITY.fullmatch(value.strip()) else 0.0
    return 1.0
