"""One open change of one chat: the locked row, what was done to it, and what that causes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from shared.chats.machine.effects import INTERRUPTED, Cancel, Changed, Counted, Effect, Enqueue
from shared.chats.machine.limits import Limits
from shared.chats.model.chat import Chat
from shared.chats.model.errors import ChatArchived, MoveNotAllowed
from shared.chats.model.ids import MessageId, TurnId
from shared.chats.model.messages import NewMessage, Prompt
from shared.chats.model.statuses import ENDED, LEASED, Move, Status, TurnStatus
from shared.chats.model.timing import Spans
from shared.chats.rules.accounting import account
from shared.chats.rules.transitions import ARCHIVED_MOVES, TABLE, allows, sources
from shared.chats.rules.versions import stamp_versions
from shared.chats.store import chats as store
from shared.chats.store import codec
from shared.chats.store import messages as message_store
from shared.chats.store.chats import Written
from shared.chats.store.messages import Stored

MOST_IN_ONE: Final = 2
"""So many new messages go into the statement that writes the chat; more go before it."""


@dataclass(slots=True, kw_only=True)
class Change:
    """The handle that a move works on. It lives as long as its transaction and no longer.

    What it changes is written in one statement at its end. Reads and writes of a move's own go
    through `connection`, and see the messages that it has inserted, but not the rest.
    """

    transaction: Connection
    chat: Chat
    before: Chat
    now: datetime
    limits: Limits
    new_id: Callable[[], UUID]
    effects: list[Effect] = field(default_factory=list[Effect])
    spans: Spans | None = None
    history_changed: bool = False
    queue_changed: bool = False
    unchanged: bool = False
    sealed: bool = False
    new_turn: TurnId | None = None
    spare_ids: list[MessageId] = field(default_factory=list[MessageId])
    waiting: list[Stored] = field(default_factory=list[Stored])
    turn_changes: dict[TurnId, dict[str, object]] = field(
        default_factory=dict[TurnId, dict[str, object]]
    )

    @property
    def connection(self) -> Connection:
        """The transaction; messages that wait to be written are written first."""
        if self.waiting:
            self._write_waiting()
        return self.transaction

    def require(self, move: Move) -> None:
        """Raise `ChatArchived` or `MoveNotAllowed` unless the move is allowed as things stand."""
        if self.chat.archived and move not in ARCHIVED_MOVES:
            raise ChatArchived
        if not allows(move, self.chat.status):
            raise MoveNotAllowed(move=move, found=self.chat.status, allowed=sources(move))

    def apply(self, move: Move, to: Status) -> None:
        """Make the move's change of status. A target that the table does not list is a defect."""
        assert not self.sealed
        self.require(move)
        if to not in TABLE[move][self.chat.status]:
            raise AssertionError(f"{move} from {self.chat.status} to {to} is not in the table")
        if to is Status.INTERRUPTING and self.chat.status is not Status.INTERRUPTING:
            self.chat.interrupting_since = self.now
        if to not in (Status.RUNNING, Status.INTERRUPTING):
            self.chat.clear_lease()
        if self.before.status is Status.ERROR and to is not Status.ERROR:
            self.chat.last_error = None
        self.chat.status = to

    def wake(self, *, send: bool = True) -> None:
        """Note that the chat is runnable from now on, and tell a worker unless `send` is False."""
        self.chat.enqueued_at = self.now
        self.chat.sweeps = 0
        if send:
            self.effects.append(Enqueue(chat_id=self.chat.id))

    def stop_worker(self, reason: str = INTERRUPTED) -> None:
        """Tell the worker why the step is no longer wanted; the lease is still on the row."""
        lease_id, worker_id = self.chat.lease_id, self.chat.worker_id
        if lease_id is not None and worker_id is not None:
            self.effects.append(
                Cancel(
                    worker_id=worker_id,
                    chat_id=self.chat.id,
                    lease_id=lease_id,
                    reason=reason,
                )
            )

    def insert(self, rows: Sequence[NewMessage]) -> list[MessageId]:
        """Add messages to the history, in their order."""
        assert not self.sealed
        if not rows:
            return []
        ids = self._draw_ids(len(rows))
        stamps = {
            "revision": self.chat.snapshot_version,
            "attempt": self.chat.generation_attempt,
        }
        self.waiting += [
            message_store.stored_message(self.chat.id, id_, row, now=self.now, **stamps)
            for id_, row in zip(ids, rows, strict=True)
        ]
        self.history_changed = True
        self.chat.last_message_id = ids[-1]
        for row in rows:
            if row.usage is not None:
                self.chat.usage = self.chat.usage + row.usage
        return ids

    def _draw_ids(self, count: int) -> list[MessageId]:
        missing = count - len(self.spare_ids)
        if missing > 0:
            self.spare_ids += message_store.draw_ids(self.transaction, missing)
        ids, self.spare_ids = self.spare_ids[:count], self.spare_ids[count:]
        return ids

    def _write_waiting(self) -> None:
        message_store.insert_messages(self.transaction, self.waiting)
        self.waiting.clear()

    def open_turn(self) -> TurnId:
        """Make a new turn that is active at once; it is inserted together with all that changes."""
        assert self.new_turn is None
        self.new_turn = TurnId(self.new_id())
        self.change_turn(
            self.new_turn,
            chat_id=self.chat.id,
            status=TurnStatus.ACTIVE.value,
            created_at=self.now,
        )
        return self.new_turn

    def change_turn(self, turn_id: TurnId, **values: object) -> None:
        """Set columns of a turn, written together with the chat."""
        assert not self.sealed
        self.turn_changes.setdefault(turn_id, {}).update(values)

    def count_step(self, turn_id: TurnId) -> None:
        """Count one more step of a turn."""
        self.change_turn(turn_id, steps=store.ONE_MORE)

    def end_turn(
        self,
        status: TurnStatus,
        *,
        answer: MessageId | None = None,
    ) -> None:
        """Give the current turn its outcome, or its pause; the error is the chat's."""
        turn_id = self.chat.current_turn_id
        if turn_id is None:
            return
        self.change_turn(turn_id, status=status.value, outcome_revision=self.chat.snapshot_version)
        self.effects.append(Counted(status=status))
        if answer is not None:
            self.change_turn(turn_id, answer_message_id=answer)
        if status in ENDED:
            error = self.chat.last_error if status is TurnStatus.FAILED else None
            self.change_turn(
                turn_id, ended_at=self.now, error=None if error is None else codec.dump(error)
            )

    def book(self) -> None:
        """Book the time up to now to the current turn; before another one becomes current."""
        account(self.before, self.chat, now=self.now, spans=self.spans)
        turn_id = self.chat.current_turn_id
        if turn_id is not None and turn_id in self.turn_changes:
            self.change_turn(turn_id, time=codec.dump(self.chat.turn_time))

    def seal(self) -> None:
        """Stamp versions and write the chat and its turns, unless that is done."""
        if not self.sealed:
            store.write(self.transaction, self._stamp())

    def seal_and_load_prompt(self) -> Prompt:
        """Write in the middle of a move that changes nothing more, and read along."""
        return store.write_and_load_prompt(self.transaction, self._stamp())

    def _stamp(self) -> Written:
        if self._left_a_phase:
            self.book()
        stamp_versions(
            self.before, self.chat, history=self.history_changed, queue=self.queue_changed
        )
        self.chat.updated_at = self.now
        if len(self.waiting) > MOST_IN_ONE:
            self._write_waiting()
        self.sealed = True
        waiting, self.waiting = self.waiting, []
        self.announce()
        return Written(
            before=self.before,
            after=self.chat,
            turns=self.turn_changes,
            new_turn=self.new_turn,
            messages=waiting,
        )

    @property
    def _left_a_phase(self) -> bool:
        before, after = self.before.status, self.chat.status
        # A lease is booked in one piece, at its end, when its step knows what it did. In a status
        # that stays, `phase_since` goes on telling since when: the age of waiting chats.
        return after is not before and not (before in LEASED and after in LEASED)

    def announce(self) -> None:
        """Tell the watchers that there is something to read."""
        self.effects.append(
            Changed(chat_id=self.chat.id, snapshot_version=self.chat.snapshot_version)
        )
