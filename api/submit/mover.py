"""Makes the moves that requests ask for: the caller's right, the repeat, the move, the answer."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Generic, TypeVar

from sqlalchemy import Connection

from api.auth.caller import Caller
from api.deps import Deps
from api.idempotency.answer import RecordedAnswer, record_answer
from api.idempotency.keys import IdempotencyKey, answer_once, remember, reserve
from api.render import render_accepted, render_chat
from api.submit.media import require_files
from shared.chats.machine.change import Change
from shared.chats.machine.machine import Updated
from shared.chats.model.chat import Chat
from shared.chats.model.errors import ChatNotFound
from shared.chats.model.ids import ChatId, TurnId
from shared.chats.model.messages import Message, Role
from shared.chats.model.statuses import BusyBehavior
from shared.chats.moves.callers.send import create, send
from shared.chats.moves.turns import Placed, UserMessage
from shared.chats.store import messages as message_store

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What a move did: the turn it is about, and where a message went."""

    turn_id: TurnId | None
    message: Message | None = None
    placed: Placed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """Makes the moves of one request."""

    deps: Deps
    caller: Caller
    once: IdempotencyKey | None

    def answer(self, act: Callable[[], RecordedAnswer]) -> RecordedAnswer:
        """Return the answer of the request, which is acted upon once however often it comes."""
        return answer_once(self.deps.engine, self.once, act)

    def create(self, chat: Chat, message: UserMessage) -> RecordedAnswer:
        """Create a chat with its first message. Raise `KeyTaken`, `Answered`."""

        def first(change: Change) -> Placed:
            reserve(change.connection, self.once)
            return create(change, message)

        require_files(self.deps.catalog, chat.model, message.content)
        kept = _Kept[Placed](self.once, _created)
        self.deps.machine.create(chat, first, record=kept.record)
        return kept.answer

    def send(self, chat_id: ChatId, message: UserMessage, busy: BusyBehavior) -> RecordedAnswer:
        """Send a message to a chat."""

        def sent(change: Change) -> Accepted:
            model = message.model or change.chat.model
            require_files(self.deps.catalog, model, message.content)
            return accept(change, message, send(change, message, busy))

        return self.move(chat_id, sent)

    def move(self, chat_id: ChatId, act: Callable[[Change], Accepted]) -> RecordedAnswer:
        """Make a move that answers `Accepted`."""
        return self._update(chat_id, act, _accepted)

    def change(self, chat_id: ChatId, act: Callable[[Change], None]) -> RecordedAnswer:
        """Make a move that answers with the chat."""
        return self._update(chat_id, act, _changed)

    def _update(
        self,
        chat_id: ChatId,
        act: Callable[[Change], T],
        answer: Callable[[Updated[T]], RecordedAnswer],
    ) -> RecordedAnswer:
        def guarded(change: Change) -> T:
            if not self.caller.may_read(change.chat):
                raise ChatNotFound
            reserve(change.connection, self.once)
            return act(change)

        kept = _Kept(self.once, answer)
        self.deps.machine.update(chat_id, guarded, record=kept.record)
        return kept.answer


class _Kept(Generic[T]):
    """Writes the answer inside the move's transaction, and has it afterwards."""

    def __init__(
        self, once: IdempotencyKey | None, write: Callable[[Updated[T]], RecordedAnswer]
    ) -> None:
        self._once = once
        self._write = write
        self._answers: list[RecordedAnswer] = []

    def record(self, connection: Connection, updated: Updated[T]) -> None:
        answer = self._write(updated)
        remember(connection, self._once, answer)
        self._answers.append(answer)

    @property
    def answer(self) -> RecordedAnswer:
        return self._answers[-1]


def accept(change: Change, message: UserMessage, placed: Placed) -> Accepted:
    """Return where a message went; the row is known without reading it back."""
    return Accepted(
        turn_id=placed.turn_id, message=_message(change, message, placed), placed=placed
    )


def find_accepted(change: Change, placed: Placed) -> Accepted:
    """Return where a message went that this request did not bring."""
    message = None
    if placed.message_id is not None:
        message = message_store.find_message(change.connection, change.chat.id, placed.message_id)
    return Accepted(turn_id=placed.turn_id, message=message, placed=placed)


def _message(change: Change, message: UserMessage, placed: Placed) -> Message | None:
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


def _created(updated: Updated[Placed]) -> RecordedAnswer:
    turn_id = updated.value.turn_id
    return record_answer(
        HTTPStatus.CREATED, render_chat(updated.chat), chat_id=updated.chat.id, turn_id=turn_id
    )


def _accepted(updated: Updated[Accepted]) -> RecordedAnswer:
    accepted = updated.value
    value = render_accepted(
        updated.chat,
        turn_id=accepted.turn_id,
        message=accepted.message,
        queued=None if accepted.placed is None else accepted.placed.queued,
    )
    return record_answer(
        HTTPStatus.ACCEPTED, value, chat_id=updated.chat.id, turn_id=accepted.turn_id
    )


def _changed(updated: Updated[None]) -> RecordedAnswer:
    return record_answer(
        HTTPStatus.OK, render_chat(updated.chat), chat_id=updated.chat.id, turn_id=None
    )
