"""The routes that take content: create a chat, send to one, edit a message."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Path
from starlette.responses import Response

from api.idempotency.answer import RecordedAnswer
from api.openapi import Responses, refusals, stream_answer
from api.problems import ProblemCode, invalid, invalid_field, unavailable
from api.requests.dependencies import MoverOf, WantsStream, reply
from api.requests.path_ids import ChatPath, MessagePath
from api.requests.route import ContentRoute
from api.schemas import answers
from api.schemas.content import parts_of
from api.schemas.fields import MAX_KEY_CHARACTERS
from api.schemas.requests import KeyedMessage, NewChat, NewContent, NewMessage
from api.submit.media import require_files
from api.submit.mover import Accepted, Mover, find_accepted
from api.submit.new_chat import build_chat, model_faults
from shared.chats.machine.change import Change
from shared.chats.model.errors import ChatNotFound, KeyTaken
from shared.chats.model.ids import MessageId
from shared.chats.model.parts import Part
from shared.chats.moves.callers.edit import edit
from shared.chats.moves.turns import UserMessage
from shared.chats.reads import chats as read

router: Final = APIRouter(prefix="/v1", route_class=ContentRoute)

_SENDING: Final = refusals(
    ProblemCode.MOVE_NOT_ALLOWED,
    ProblemCode.CHAT_BUSY,
    ProblemCode.CHAT_ARCHIVED,
    ProblemCode.QUEUE_FULL,
)

_CREATED: Final[Responses] = {201: {"model": answers.Chat, "description": "created"}}

_TRIES: Final = 5
"""How often a chat may appear and vanish while one request looks for it."""


@router.post(
    "/chats",
    status_code=HTTPStatus.CREATED,
    response_model=answers.Chat,
    responses=stream_answer(HTTPStatus.CREATED) | refusals(ProblemCode.KEY_TAKEN),
)
def create_chat(body: NewChat, mover: MoverOf, stream: WantsStream) -> Response:
    """Create a chat with its first message, which is answered at once."""
    content = parts_of(body.content)
    chat = build_chat(mover.deps, body, owner=mover.caller.owner, key=body.key, content=content)
    answer = mover.answer(lambda: mover.create(chat, UserMessage(content=content)))
    return reply(mover, answer, stream=stream)


@router.post(
    "/chats/{chat_id}/messages",
    status_code=HTTPStatus.ACCEPTED,
    response_model=answers.Accepted,
    responses=stream_answer(HTTPStatus.ACCEPTED) | _SENDING,
)
def send_message(
    chat_id: ChatPath, body: NewMessage, mover: MoverOf, stream: WantsStream
) -> Response:
    """Send a message to a chat."""
    _require_model(mover, body.model)
    message = UserMessage(
        content=parts_of(body.content),
        model=body.model,
        author=body.author,
        metadata=body.metadata,
    )
    answer = mover.answer(lambda: mover.send(chat_id, message, body.busy_behavior))
    return reply(mover, answer, stream=stream)


@router.put(
    "/chats/by-key/{key:path}/messages",
    status_code=HTTPStatus.ACCEPTED,
    response_model=answers.Accepted,
    responses={**stream_answer(HTTPStatus.ACCEPTED), **_CREATED, **_SENDING},
)
def send_by_key(
    key: Annotated[str, Path(min_length=1, max_length=MAX_KEY_CHARACTERS)],
    body: KeyedMessage,
    mover: MoverOf,
    stream: WantsStream,
) -> Response:
    """Send a message to the caller's chat with this key, which is created if there is none."""
    if body.key not in (None, key):
        raise invalid_field("key", "must be the key in the path")
    content = parts_of(body.content)
    # Checked whether or not it comes to creating: a request is good or bad by itself.
    build_chat(mover.deps, body, owner=mover.caller.owner, key=key, content=content)
    answer = mover.answer(lambda: _create_or_send(mover, key, body, content))
    return reply(mover, answer, stream=stream)


@router.patch(
    "/chats/{chat_id}/messages/{message_id}",
    status_code=HTTPStatus.ACCEPTED,
    response_model=answers.Accepted,
    responses=refusals(ProblemCode.CHAT_ARCHIVED),
)
def edit_message(
    chat_id: ChatPath, message_id: MessagePath, body: NewContent, mover: MoverOf
) -> Response:
    """Replace a user message; all that came after it is taken back, and it is answered anew."""
    message = UserMessage(content=parts_of(body.content))

    def edited(change: Change) -> Accepted:
        require_files(mover.deps.catalog, change.chat.model, message.content)
        return find_accepted(change, edit(change, MessageId(message_id), message.content))

    return reply(mover, mover.answer(lambda: mover.move(chat_id, edited)))


def _create_or_send(
    mover: Mover, key: str, body: KeyedMessage, content: tuple[Part, ...]
) -> RecordedAnswer:
    """Whoever comes between makes this one look again: the row decides, not the look."""
    for _ in range(_TRIES):
        with mover.deps.engine.connect() as connection:
            chat_id = read.find_chat_id(connection, owner=mover.caller.owner, key=key)
        try:
            if chat_id is not None:
                message = UserMessage(content=content, model=body.model, author=body.author)
                return mover.send(chat_id, message, body.busy_behavior)
            chat = build_chat(mover.deps, body, owner=mover.caller.owner, key=key, content=content)
            return mover.create(chat, UserMessage(content=content, author=body.author))
        except (KeyTaken, ChatNotFound):
            continue
    raise unavailable("The chat with this key")


def _require_model(mover: Mover, model: str | None) -> None:
    faults = model_faults(mover.deps.catalog, model)
    if faults:
        raise invalid(faults)
