"""One open change of one chat: the locked row, what was done to it, and what that causes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from shared.chats.machine.collections import History, Ledger, Queue
from shared.chats.machine.effects import (
    INTERRUPTED,
    Cancel,
    Changed,
    Counted,
    Effect,
    Enqueue,
    ToolResulted,
)
from shared.chats.machine.limits import Limits
from shared.chats.machine.unit import Unit
from shared.chats.model.chat import Chat
from shared.chats.model.errors import ChatArchived, MoveNotAllowed
from shared.chats.model.ids import MessageId, TurnId
from shared.chats.model.messages import NewMessage, Prompt
from shared.chats.model.parts import ToolResultPart
from shared.chats.model.statuses import ENDED, LEASED, Move, Status, TurnStatus
from shared.chats.model.timing import Spans
from shared.chats.rules.accounting import account
from shared.chats.rules.result_room import cut
from shared.chats.rules.transitions import ARCHIVED_MOVES, TABLE, allows, sources
from shared.chats.rules.versions import stamp_versions
from shared.chats.store.written import ONE_MORE


@dataclass(slots=True, kw_only=True)
class Change:
    """The handle that a move works on. It lives as long as its transaction and no longer.

    A move changes `chat` in place, and works on `queue`, `history` and `ledger`; what differs of
    the chat and its turns is written in one statement at the end. Whoever writes rows of its own
    along uses `connection`. `worker_alive` is told to moves of workers only.
    """

    connection: Connection
    chat: Chat
    before: Chat
    now: datetime
    limits: Limits
    new_id: Callable[[], UUID]
    queue: Queue
    history: History
    ledger: Ledger
    unit: Unit
    worker_alive: bool = False
    effects: list[Effect] = field(default_factory=list[Effect])
    spans: Spans | None = None
    history_changed: bool = False
    queue_changed: bool = False
    unchanged: bool = False
    """Nothing is written of the chat, and nobody is told: the move had nothing to do with it."""

    def require(self, move: Move) -> None:
        """Raise `ChatArchived` or `MoveNotAllowed` unless the move is allowed as things stand."""
        if self.chat.archived and move not in ARCHIVED_MOVES:
            raise ChatArchived
        if not allows(move, self.chat.status):
            raise MoveNotAllowed(move=move, found=self.chat.status, allowed=sources(move))

    def apply(self, move: Move, to: Status) -> None:
        """Make the move's change of status. A target that the table does not list is a defect."""
        assert not self.unit.sealed
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
        assert not self.unit.sealed
        if not rows:
            return []
        chat = self.chat
        ids = self.history.insert(
            rows, revision=chat.snapshot_version, attempt=chat.generation_attempt, now=self.now
        )
        self.history_changed = True
        chat.last_message_id = ids[-1]
        for row in rows:
            if row.usage is not None:
                chat.usage = chat.usage + row.usage
        return ids

    def fit(self, tool: str, result: ToolResultPart) -> ToolResultPart:
        """Return a result cut to the room of the chat's model, and count it under `tool`."""
        model = self.chat.model
        fitting = cut(result, self.limits.result_room(model))
        self.effects.append(
            ToolResulted(model=model, tool=tool, result=fitting, truncated=fitting is not result)
        )
        return fitting

    def open_turn(self) -> TurnId:
        """Make a new turn that is active at once; it is inserted together with all that changes."""
        turn_id = TurnId(self.new_id())
        self.unit.open_turn(
            turn_id, chat_id=self.chat.id, status=TurnStatus.ACTIVE, created_at=self.now
        )
        return turn_id

    def change_turn(self, turn_id: TurnId, **values: object) -> None:
        """Set columns of a turn, written together with the chat."""
        self.unit.change_turn(turn_id, **values)

    def count_step(self, turn_id: TurnId) -> None:
        """Count one more step of a turn."""
        self.change_turn(turn_id, steps=ONE_MORE)

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
        self.change_turn(turn_id, status=status, outcome_revision=self.chat.snapshot_version)
        self.effects.append(Counted(status=status))
        if answer is not None:
            self.change_turn(turn_id, answer_message_id=answer)
        if status in ENDED:
            error = self.chat.last_error if status is TurnStatus.FAILED else None
            self.change_turn(turn_id, ended_at=self.now, error=error)

    def book(self) -> None:
        """Book the time up to now to the current turn; before another one becomes current."""
        account(self.before, self.chat, now=self.now, spans=self.spans)
        turn_id = self.chat.current_turn_id
        if turn_id is not None and turn_id in self.unit.turns:
            self.change_turn(turn_id, time=self.chat.turn_time)

    def write(self) -> Chat:
        """Write what was changed, unless that is done; return the chat as it will be committed.

        From here on the move may change nothing more.
        """
        if self.unchanged:
            # There is no new snapshot, so there is nobody to tell; what was counted stands.
            self.effects = [one for one in self.effects if isinstance(one, ToolResulted)]
            return self.before
        if not self.unit.sealed:
            self._stamp()
            self.unit.write(self.before, self.chat)
        return self.chat

    def write_and_load_prompt(self) -> Prompt:
        """Write as `write` does, and read along what the model may see."""
        self._stamp()
        return self.unit.write_and_load_prompt(self.before, self.chat)

    def announce(self) -> None:
        """Tell the watchers that there is something to read."""
        self.effects.append(
            Changed(chat_id=self.chat.id, snapshot_version=self.chat.snapshot_version)
        )

    def _stamp(self) -> None:
        if self._left_a_phase:
            self.book()
        stamp_versions(
            self.before, self.chat, history=self.history_changed, queue=self.queue_changed
        )
        self.chat.updated_at = self.now
        self.announce()

    @property
    def _left_a_phase(self) -> bool:
        before, after = self.before.status, self.chat.status
        # A lease is booked in one piece, at its end, when its step knows what it did. In a status
        # that stays, `phase_since` goes on telling since when: the age of waiting chats.
        return after is not before and not (before in LEASED and after in LEASED)
