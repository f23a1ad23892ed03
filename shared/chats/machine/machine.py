"""The one way into a chat's row: lock it, let a move change it, commit, send the effects."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Engine

from shared.chats.machine.change import Change
from shared.chats.machine.effects import FENCED, Effects, Enqueue
from shared.chats.machine.limits import Limits
from shared.chats.machine.unit import Unit
from shared.chats.model.chat import Chat
from shared.chats.model.ids import ChatId, WorkerId
from shared.chats.store import chats as store
from shared.chats.store.chats import Locked
from shared.chats.store.messages import SqlHistory
from shared.chats.store.queue import SqlQueue
from shared.chats.store.sweep import SweepPlan, plan_round
from shared.chats.store.tool_runs import SqlLedger
from shared.chats.store.written import SqlRows

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated(Generic[T]):
    """What a move returned, and the chat as it was committed."""

    value: T
    chat: Chat


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMachine:
    """Makes moves. Nobody else writes a chat or commits one."""

    engine: Engine
    effects: Effects
    limits: Limits
    new_id: Callable[[], UUID]

    @contextmanager
    def change(self, chat_id: ChatId) -> Generator[Change]:
        """Open a chat for one move: lock it, and on leaving write, commit and tell the world.

        Raises `ChatNotFound` and the database's errors; if anything is raised inside, nothing has
        happened.
        """
        with self.engine.begin() as connection:
            change = self._open(connection, store.lock_chat(connection, chat_id))
            yield change
            change.write()
        self.effects.flush(change.effects)

    @contextmanager
    def create(self, chat: Chat) -> Generator[Change]:
        """Insert a chat and open it for its first move. Raises `KeyTaken`, and as `change` does."""
        with self.engine.begin() as connection:
            change = self._open(connection, store.insert_chat(connection, chat))
            yield change
            change.write()
        self.effects.flush(change.effects)

    @contextmanager
    def begin(self, chat_id: ChatId, worker_id: WorkerId) -> Generator[Change]:
        """Open a chat for a move of a worker, whose own row is held against its death."""
        death = timedelta(seconds=self.limits.death_seconds)
        with self.engine.begin() as connection:
            locked = store.lock_for_begin(connection, chat_id, worker_id=worker_id, death=death)
            change = self._open(connection, locked)
            change.worker_alive = locked.worker_alive
            yield change
            change.write()
        self.effects.flush(change.effects)

    def update(self, chat_id: ChatId, move: Callable[[Change], T]) -> Updated[T]:
        """Make one move, for those who repeat it through outages. Raises what the move raises."""
        with self.change(chat_id) as change:
            value = move(change)
            chat = change.write()
        return Updated(value=value, chat=chat)

    def delete(self, chat_id: ChatId) -> None:
        """Remove the chat and all that belongs to it; a running step is fenced out by that."""
        with self.engine.begin() as connection:
            change = self._open(connection, store.lock_chat(connection, chat_id))
            change.stop_worker(FENCED)
            store.delete_chat(connection, chat_id)
            change.announce()
        self.effects.flush(change.effects)

    def sweep(self, *, lost_seconds: float, may_declare_death: bool) -> SweepPlan | None:
        """Do one round of the sweeper's transaction; None = another worker is at it."""
        with self.engine.begin() as connection:
            plan = plan_round(
                connection,
                death=timedelta(seconds=self.limits.death_seconds),
                interrupting=timedelta(seconds=self.limits.interrupting_seconds),
                lost=timedelta(seconds=lost_seconds),
                may_declare_death=may_declare_death,
            )
        if plan is not None:
            self.effects.flush([Enqueue(chat_id=chat_id) for chat_id in plan.resent])
        return plan

    def _open(self, connection: Connection, locked: Locked) -> Change:
        chat = locked.chat
        history = SqlHistory(connection, chat.id, locked.spare_ids)
        change = Change(
            connection=connection,
            chat=chat,
            before=chat.copy(),
            now=locked.now,
            limits=self.limits,
            new_id=self.new_id,
            queue=SqlQueue(connection, chat.id),
            history=history,
            ledger=SqlLedger(connection, chat.id),
            unit=Unit(rows=SqlRows(connection, history)),
        )
        chat.snapshot_version += 1
        return change
