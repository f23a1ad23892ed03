"""What handlers ask of a request: who makes it, whether it is a repeat, what it wants back."""

import re
from typing import Annotated, Final

from fastapi import Depends, Header, Request
from sqlalchemy import Connection

from api.idempotency.keys import HEADER, identify
from api.problems import invalid_field, not_found
from api.requests.route import CallerOf, caller_of, deps_of, read_of
from api.submit.submit import Submit
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


async def submit_of(request: Request, idempotency_key: KeyHeader = None) -> Submit:
    """Return what submits the moves of this request; their answers are JSON."""
    return await _submit(request, idempotency_key, stream=False)


async def streaming_submit_of(request: Request, idempotency_key: KeyHeader = None) -> Submit:
    """Return what submits the moves of this request, whose answer may be the turn's stream."""
    wanted = _quality(request, EVENT_STREAM) > _quality(request, "application/json")
    return await _submit(request, idempotency_key, stream=wanted)


SubmitOf = Annotated[Submit, Depends(submit_of)]
StreamingSubmitOf = Annotated[Submit, Depends(streaming_submit_of)]


async def _submit(request: Request, idempotency_key: str | None, *, stream: bool) -> Submit:
    # Asked for directly: FastAPI takes 30 us for each dependency of a dependency.
    deps, caller = await deps_of(request), await caller_of(request)
    taken = await read_of(request)
    if len(request.headers.getlist(HEADER)) > 1:
        raise invalid_field(HEADER, "must be there once")
    canonical = b"" if taken is None else taken.canonical
    key = identify(
        caller, idempotency_key, method=request.method, path=request.url.path, canonical=canonical
    )
    return Submit(deps=deps, caller=caller, key=key, stream=stream)


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
