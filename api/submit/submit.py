"""Submits the moves of one request: opens the chat once, and answers in the same transaction."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus

from sqlalchemy import Connection
from starlette.responses import Response

from api.auth.caller import Caller
from api.deps import Deps
from api.idempotency.answer import RecordedAnswer, record_answer
from api.idempotency.keys import (
    AlreadyAnswered,
    IdempotencyKey,
    look_up,
    remember,
    reserve,
)
from api.render import Json, render_accepted, render_chat
from api.submit.turn_response import TurnStream
from shared.chats.machine.change import Change
from shared.chats.model.errors import ChatNotFound, ChatsError
from shared.chats.model.ids import ChatId, TurnId
from shared.chats.model.messages import Message, Role, UserMessage
from shared.chats.model.statuses import BusyBehavior
from shared.chats.moves.turns import Placed
from shared.submission.new_chat import NewChat
from shared.submission.submitter import Submitted


class Repeated(Exception):
    """The request was made before: `response` is the answer that it got then."""

    def __init__(self, response: Response) -> None:
        """Keep the answer."""
        super().__init__()
        self.response = response


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """The moves of one caller's request.

    Each is entered: what is done inside is one transaction, and the answer is made, and kept for a
    repeat of the request, before it is left. `key` None = a repeat is a request of its own.
    `stream`: the answer is the stream of the turn. Everything raises `Repeated`.
    """

    deps: Deps
    caller: Caller
    key: IdempotencyKey | None = None
    stream: bool = False

    @contextmanager
    def open(self, chat_id: ChatId) -> Generator[Change]:
        """Open a chat of the caller's for one move. Raises `ChatNotFound`."""
        with self._once(), self.deps.machine.change(chat_id) as change:
            if not self.caller.may_read(change.chat):
                raise ChatNotFound
            self._reserve(change.connection)
            yield change

    @contextmanager
    def create(self, new: NewChat) -> Generator[Submitted]:
        """Create a chat with its first message. Raises as `Submitter.create` does."""
        with self._once(), self.deps.submitter.create(new, reserve=self._reserve) as submitted:
            yield submitted

    @contextmanager
    def send(
        self, chat_id: ChatId, message: UserMessage, busy: BusyBehavior
    ) -> Generator[Submitted]:
        """Send a message to a chat of the caller's. Raises as `Submitter.send` does."""
        sending = self.deps.submitter.send(
            chat_id, message, busy, owner=self.caller.sees, reserve=self._reserve
        )
        with self._once(), sending as submitted:
            yield submitted

    @contextmanager
    def create_or_send(self, new: NewChat, busy: BusyBehavior) -> Generator[Submitted]:
        """Send to the chat with this key, or create it. As `Submitter.create_or_send`."""
        submitting = self.deps.submitter.create_or_send(new, busy, reserve=self._reserve)
        with self._once(), submitting as submitted:
            yield submitted

    def submitted(self, submitted: Submitted) -> Response:
        """Answer with the new chat, or with where the message went."""
        change, placed = submitted.change, submitted.placed
        if submitted.created:
            chat = render_chat(change.write())
            return self._answer(change, HTTPStatus.CREATED, chat, placed.turn_id)
        message = _placed_message(change, submitted.message, placed)
        return self._accepted(change, placed.turn_id, message=message, placed=placed)

    def accepted(self, change: Change, turn_id: TurnId | None) -> Response:
        """Answer with what the move made of the chat, and the turn that it is about."""
        return self._accepted(change, turn_id)

    def moved(self, change: Change, placed: Placed) -> Response:
        """Answer with where a message went that stands in the chat already."""
        message = None
        if placed.message_id is not None:
            message = change.history.find(placed.message_id)
        return self._accepted(change, placed.turn_id, message=message, placed=placed)

    def changed(self, change: Change) -> Response:
        """Answer with the chat."""
        return self._answer(change, HTTPStatus.OK, render_chat(change.write()), None)

    def _accepted(
        self,
        change: Change,
        turn_id: TurnId | None,
        *,
        message: Message | None = None,
        placed: Placed | None = None,
    ) -> Response:
        queued = None if placed is None else placed.queued
        value = render_accepted(change.write(), turn_id=turn_id, message=message, queued=queued)
        return self._answer(change, HTTPStatus.ACCEPTED, value, turn_id)

    def _answer(
        self, change: Change, status: HTTPStatus, value: Json, turn_id: TurnId | None
    ) -> Response:
        answer = record_answer(status, value, chat_id=change.chat.id, turn_id=turn_id)
        if self.key is not None:
            remember(change.connection, self.key, answer)
        return self._reply(answer)

    def _reply(self, answer: RecordedAnswer) -> Response:
        if self.stream and answer.turn_id is not None:
            return TurnStream(self.deps, self.caller, answer.chat_id, answer.turn_id)
        return Response(answer.body, answer.status, media_type="application/json")

    @contextmanager
    def _once(self) -> Generator[None]:
        """Raise `Repeated` where the request was answered before, by this process or another."""
        if self.key is None:
            yield
            return
        self._raise_answered(self.key)
        try:
            yield
        except AlreadyAnswered as error:
            raise Repeated(self._reply(error.answer)) from None
        except ChatsError:
            # Its twin may have come between, and be the reason why this one is refused.
            self._raise_answered(self.key)
            raise

    def _raise_answered(self, key: IdempotencyKey) -> None:
        answer = look_up(self.deps.engine, key)
        if answer is not None:
            raise Repeated(self._reply(answer))

    def _reserve(self, connection: Connection) -> None:
        if self.key is not None:
            reserve(connection, self.key)


def _placed_message(change: Change, message: UserMessage, placed: Placed) -> Message | None:
    """Return the row of a message, which is known without reading it back."""
    if placed.message_id is None:
        return None
    return Message(
        id=placed.message_id,
        chat_id=change.chat.id,
        turn_id=placed.turn_id,
        role=Role.USER,
        content=message.content,
        created_at=change.now,
        revision=change.chat.snapshot_version,
        author=message.author,
        metadata=message.metadata,
    )
