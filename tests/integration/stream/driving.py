"""A chat that a test drives by real moves, as people and a worker would."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import Engine, update
from uuid_utils.compat import uuid7

from shared.chats.machine.change import Change
from shared.chats.machine.machine import ChatMachine
from shared.chats.model.chat import Chat
from shared.chats.model.ids import ChatId, LeaseId, MessageId, TurnId, WorkerId
from shared.chats.model.lease import Episode, Fence
from shared.chats.model.messages import NewMessage, Role
from shared.chats.model.parts import TextPart
from shared.chats.model.statuses import BusyBehavior
from shared.chats.moves.callers.edit import edit
from shared.chats.moves.callers.fields import NewFields, set_fields
from shared.chats.moves.callers.interrupt_retry import interrupt
from shared.chats.moves.callers.send import send
from shared.chats.moves.turns import Placed
from shared.chats.moves.workers.begin import Begun, begin
from shared.chats.moves.workers.recover import recover_running
from shared.chats.moves.workers.settle import Failed, Finish, Released, Result, settle
from shared.chats.store.tables import chats
from shared.chats.store.workers import register
from shared.failures.kinds import ErrorKind, Failure
from tests.chats import Recorder, make_machine, said, start_chat

_T = TypeVar("_T")


@dataclass(slots=True)
class Driven:
    """One chat and one worker."""

    engine: Engine
    machine: ChatMachine
    worker_id: WorkerId
    chat: Chat
    turn_id: TurnId
    user_message_id: MessageId
    fence: Fence | None = None
    turns: list[TurnId] = field(default_factory=list[TurnId])

    @property
    def id(self) -> ChatId:
        return self.chat.id

    @property
    def episode(self) -> Episode:
        return self.chat.episode

    def begin(self) -> Episode:
        with self.machine.begin(self.id, self.worker_id) as change:
            begun = begin(change, worker_id=self.worker_id, lease_id=LeaseId(uuid7()))
        assert isinstance(begun, Begun)
        self.chat, self.fence = begun.chat, begun.fence
        return self.episode

    def begin_now(self) -> Episode:
        """Begin although a back-off is not over."""
        with self.engine.begin() as connection:
            connection.execute(update(chats).where(chats.c.id == self.id).values(retry_at=None))
        return self.begin()

    def finish(self, text: str) -> None:
        row = NewMessage(
            role=Role.ASSISTANT,
            content=(TextPart(text=text),),
            turn_id=self.chat.current_turn_id,
        )
        self._settle(Result(ending=Finish(rows=(row,))))

    def fail(self, *, retryable: bool) -> None:
        failure = Failure(kind=ErrorKind.OVERLOADED, retryable=retryable, provider="openai")
        self._settle(Result(ending=Failed(failure=failure)))

    def release(self) -> None:
        self._settle(Result(ending=Released(counts_as_loss=False)))

    def lose(self) -> None:
        fence = self._fence
        self._move(lambda change: recover_running(change, fence))

    def send(self, text: str, busy: BusyBehavior = BusyBehavior.QUEUE) -> Placed:
        return self._move(lambda change: send(change, said(text), busy))

    def edit(self, text: str) -> Placed:
        content = (TextPart(text=text),)
        return self._move(lambda change: edit(change, self.user_message_id, content))

    def interrupt(self) -> None:
        self._move(lambda change: interrupt(change, clear_queue=False))

    def entitle(self, title: str) -> None:
        self._move(lambda change: set_fields(change, NewFields(title=title)))

    def delete(self) -> None:
        self.machine.delete(self.id)

    @property
    def _fence(self) -> Fence:
        assert self.fence is not None
        return self.fence

    def _settle(self, result: Result) -> None:
        fence = self._fence
        self._move(lambda change: settle(change, fence, result))

    def _move(self, move: Callable[[Change], _T]) -> _T:
        updated = self.machine.update(self.id, move)
        self.chat = updated.chat
        return updated.value


def drive(engine: Engine, machine: ChatMachine | None = None, text: str = "hello") -> Driven:
    machine = machine or make_machine(engine, recorder=Recorder())
    worker_id = WorkerId(uuid7())
    with engine.begin() as connection:
        register(connection, worker_id, host="here", pid=1, version="0", slots=1)
    started = start_chat(machine, text)
    assert started.value.message_id is not None
    return Driven(
        engine=engine,
        machine=machine,
        worker_id=worker_id,
        chat=started.chat,
        turn_id=started.value.turn_id,
        user_message_id=started.value.message_id,
    )
