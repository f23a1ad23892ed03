"""The one door into a chat's row: locks it, lets a move work on it, commits, sends the effects."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Engine

from shared.chats.machine.change import Change
from shared.chats.machine.effects import FENCED, Effects, Enqueue
from shared.chats.machine.limits import Limits
from shared.chats.model.chat import Chat
from shared.chats.model.ids import ChatId, WorkerId
from shared.chats.store import chats as store
from shared.chats.store.chats import LockedForBegin
from shared.chats.store.sweep import SweepPlan, plan_round

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

    def update(
        self,
        chat_id: ChatId,
        move: Callable[[Change], T],
        *,
        record: Callable[[Connection, Updated[T]], None] | None = None,
    ) -> Updated[T]:
        """Make one move in one transaction, then send what it causes.

        `record` writes along in the same transaction, after the move. Raises what the move
        raises, `ChatNotFound`, and the database's errors; then nothing has happened.
        """
        with self.engine.begin() as connection:
            locked = store.lock_chat(connection, chat_id)
            change = self._open(connection, locked)
            updated = self._close(change, move(change), record)
        self.effects.flush(change.effects)
        return updated

    def create(
        self,
        chat: Chat,
        first: Callable[[Change], T],
        *,
        record: Callable[[Connection, Updated[T]], None] | None = None,
    ) -> Updated[T]:
        """Insert a chat and make its first move, in one transaction. Raises `KeyTaken`."""
        with self.engine.begin() as connection:
            locked = store.insert_chat(connection, chat)
            change = self._open(connection, locked)
            updated = self._close(change, first(change), record)
        self.effects.flush(change.effects)
        return updated

    def begin(
        self,
        chat_id: ChatId,
        worker_id: WorkerId,
        move: Callable[[Change, LockedForBegin], T],
    ) -> Updated[T]:
        """Make the move of a delivery, with the worker's own row held against its death."""
        death = timedelta(seconds=self.limits.death_seconds)
        with self.engine.begin() as connection:
            locked = store.lock_for_begin(connection, chat_id, worker_id=worker_id, death=death)
            change = self._open(connection, locked)
            updated = self._close(change, move(change, locked), None)
        self.effects.flush(change.effects)
        return updated

    def delete(self, chat_id: ChatId) -> None:
        """Remove the chat and all that belongs to it; a running step is fenced out by that."""
        with self.engine.begin() as connection:
            locked = store.lock_chat(connection, chat_id)
            change = self._open(connection, locked)
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

    def _open(self, connection: Connection, locked: store.Locked) -> Change:
        chat = locked.chat
        change = Change(
            transaction=connection,
            chat=chat,
            before=chat.copy(),
            now=locked.now,
            limits=self.limits,
            new_id=self.new_id,
            spare_ids=list(locked.spare_ids),
        )
        chat.snapshot_version += 1
        return change

    def _close(
        self,
        change: Change,
        value: T,
        record: Callable[[Connection, Updated[T]], None] | None,
    ) -> Updated[T]:
        if change.unchanged:
            # Nothing was written, so there is no new snapshot and nothing to tell.
            change.effects.clear()
            updated = Updated(value=value, chat=change.before)
        else:
            change.seal()
            updated = Updated(value=value, chat=change.chat)
        if record is not None:
            record(change.connection, updated)
        return updated
