"""The routes that take content: create a chat, send to one, edit a message."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Path
from starlette.responses import Response

from api.openapi import Responses, refusals, stream_answer
from api.problems import ProblemCode, invalid_field
from api.requests.dependencies import StreamingSubmitOf, SubmitOf
from api.requests.path_ids import ChatPath, MessagePath
from api.requests.route import ContentRoute
from api.schemas import answers, requests
from api.schemas.content import parts_of
from api.schemas.fields import MAX_KEY_CHARACTERS
from shared.chats.model.chat import DynamicTool
from shared.chats.model.ids import MessageId
from shared.chats.model.messages import UserMessage
from shared.chats.moves.callers.edit import edit
from shared.submission.media import require_media
from shared.submission.new_chat import NewChat

router: Final = APIRouter(prefix="/v1", route_class=ContentRoute)

_SENDING: Final = refusals(
    ProblemCode.MOVE_NOT_ALLOWED,
    ProblemCode.CHAT_BUSY,
    ProblemCode.CHAT_ARCHIVED,
    ProblemCode.QUEUE_FULL,
)

_CREATED: Final[Responses] = {201: {"model": answers.Chat, "description": "created"}}


@router.post(
    "/chats",
    status_code=HTTPStatus.CREATED,
    response_model=answers.Chat,
    responses=stream_answer(HTTPStatus.CREATED) | refusals(ProblemCode.KEY_TAKEN),
)
def create_chat(body: requests.NewChat, submit: StreamingSubmitOf) -> Response:
    """Create a chat with its first message, which is answered at once."""
    new = _new_chat(body, owner=submit.caller.owner, key=body.key)
    with submit.create(new) as submitted:
        return submit.submitted(submitted)


@router.post(
    "/chats/{chat_id}/messages",
    status_code=HTTPStatus.ACCEPTED,
    response_model=answers.Accepted,
    responses=stream_answer(HTTPStatus.ACCEPTED) | _SENDING,
)
def send_message(
    chat_id: ChatPath, body: requests.NewMessage, submit: StreamingSubmitOf
) -> Response:
    """Send a message to a chat."""
    message = UserMessage(
        content=parts_of(body.content),
        model=body.model,
        author=body.author,
        metadata=body.metadata,
    )
    with submit.send(chat_id, message, body.busy_behavior) as submitted:
        return submit.submitted(submitted)


@router.put(
    "/chats/by-key/{key:path}/messages",
    status_code=HTTPStatus.ACCEPTED,
    response_model=answers.Accepted,
    responses={**stream_answer(HTTPStatus.ACCEPTED), **_CREATED, **_SENDING},
)
def send_by_key(
    key: Annotated[str, Path(min_length=1, max_length=MAX_KEY_CHARACTERS)],
    body: requests.KeyedMessage,
    submit: StreamingSubmitOf,
) -> Response:
    """Send a message to the caller's chat with this key, which is created if there is none."""
    if body.key not in (None, key):
        raise invalid_field("key", "must be the key in the path")
    new = _new_chat(body, owner=submit.caller.owner, key=key, author=body.author)
    with submit.create_or_send(new, body.busy_behavior) as submitted:
        return submit.submitted(submitted)


@router.patch(
    "/chats/{chat_id}/messages/{message_id}",
    status_code=HTTPStatus.ACCEPTED,
    response_model=answers.Accepted,
    responses=refusals(ProblemCode.CHAT_ARCHIVED),
)
def edit_message(
    chat_id: ChatPath, message_id: MessagePath, body: requests.NewContent, submit: SubmitOf
) -> Response:
    """Replace a user message; all that came after it is taken back, and it is answered anew."""
    content = parts_of(body.content)
    with submit.open(chat_id) as change:
        require_media(submit.deps.catalog, change.chat.model, content)
        return submit.moved(change, edit(change, MessageId(message_id), content))


def _new_chat(
    body: requests.NewChat, *, owner: str, key: str | None, author: str | None = None
) -> NewChat:
    return NewChat(
        owner=owner,
        content=parts_of(body.content),
        author=author,
        key=key,
        model=body.model,
        system=body.system,
        title=body.title,
        labels=body.labels,
        metadata=body.metadata,
        dynamic_tools=tuple(_dynamic_tool(tool) for tool in body.dynamic_tools),
        tools=None if body.tools is None else tuple(body.tools),
        requires_action_timeout_seconds=body.requires_action_timeout_seconds,
        on_error=body.on_error,
    )


def _dynamic_tool(tool: requests.NewDynamicTool) -> DynamicTool:
    return DynamicTool(
        name=tool.name,
        description=tool.description,
        input_schema=tool.input_schema,
        timeout_seconds=tool.timeout_seconds,
        default_result=tool.default_result,
        has_default="default_result" in tool.model_fields_set,
    )
