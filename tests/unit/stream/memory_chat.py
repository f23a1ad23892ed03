"""A chat in memory that makes the moves of the state machine and shows itself as a view.

The moves are told from the stream's side: versions, rows, episodes, buffers. What a real database
answers to the same questions is tested where there is one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from shared.chats.model.chat import Chat, PendingCall
from shared.chats.model.ids import ChatId, MessageId, QueuedId, TurnId
from shared.chats.model.lease import Episode
from shared.chats.model.messages import Message, QueuedMessage, Role
from shared.chats.model.parts import TextPart
from shared.chats.model.statuses import LEASED, Status, TurnStatus
from shared.chats.model.turns import ChatError, RetryState, TurnOutcome
from shared.chats.reads.stream import Removal, Since, StreamView
from shared.chats.rules.versions import stamp_versions
from shared.events.merge import merge
from shared.events.types import ChangedHint, ChatNote, PartBatch, PartEntry
from tests.chats import new_chat

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PAGE = 3
"""Small, so that pages are met often."""

ZOMBIE = "zombie"


@dataclass(slots=True)
class Row:
    """A message and, once it is removed, the snapshot of that."""

    message: Message
    removed_at: int | None = None
    hidden: bool = False


@dataclass(slots=True)
class MemoryChat:
    """One chat, all that happened to it, and the notes that this caused."""

    chat: Chat = field(default_factory=new_chat)
    rows: list[Row] = field(default_factory=list[Row])
    queue: list[QueuedMessage] = field(default_factory=list[QueuedMessage])
    turns: dict[TurnId, TurnOutcome] = field(default_factory=dict[TurnId, TurnOutcome])
    buffers: dict[Episode, list[PartEntry]] = field(default_factory=dict[Episode, list[PartEntry]])
    notes: list[ChatNote] = field(default_factory=list[ChatNote])
    past: list[Episode] = field(default_factory=list[Episode])
    ids: int = 0

    def __post_init__(self) -> None:
        self._change(self._start_turn)

    # What people do.

    def send(self) -> None:
        match self.chat.status:
            case Status.WAITING | Status.ERROR:
                self._change(self._start_turn)
            case _:
                self._change(self._enqueue)

    def edit(self) -> None:
        users = [row for row in self._current() if row.message.role is Role.USER]
        if users:
            first = users[self.ids % len(users)].message.id
            self._change(lambda: self._replace_from(first))

    def edit_last(self) -> None:
        users = [row for row in self._current() if row.message.role is Role.USER]
        self._change(lambda: self._replace_from(users[-1].message.id))

    def interrupt(self) -> None:
        match self.chat.status:
            case Status.RUNNING:
                self._change(lambda: self._become(Status.INTERRUPTING))
            case Status.PENDING | Status.REQUIRES_ACTION:
                self._change(self._stop)
            case _:
                pass

    def retry(self) -> None:
        if self.chat.status is Status.ERROR:
            self._change(self._reopen)

    def submit(self) -> None:
        if self.chat.status is Status.REQUIRES_ACTION:
            self._change(self._answer_calls)

    def entitle(self) -> None:
        self._change(lambda: setattr(self.chat, "title", f"title {self._id()}"))

    # What the engine does.

    def begin(self) -> None:
        if self.chat.status is Status.PENDING:
            self._change(self._begin)

    def say(self) -> None:
        if self.chat.status in LEASED:
            buffer = self.buffers.setdefault(self.chat.episode, [])
            seq = buffer[-1].seq + 1 if buffer else 1
            entry = PartEntry(
                seq=seq,
                first_seq=seq,
                index=self._id() % 2,
                role=Role.ASSISTANT,
                delta=TextPart(text=f"{seq} "),
            )
            buffer.append(entry)
            self.notes.append(PartBatch(episode=self.chat.episode, entries=(entry,)))

    def rewrite(self) -> None:
        buffer = self.buffers.get(self.chat.episode)
        if buffer:
            self.buffers[self.chat.episode] = merge(buffer)

    def haunt(self) -> None:
        """Let a worker that lost its lease go on talking."""
        if self.past:
            episode = self.past[self.ids % len(self.past)]
            entries = tuple(
                PartEntry(
                    seq=seq,
                    first_seq=seq,
                    index=0,
                    role=Role.ASSISTANT,
                    delta=TextPart(text=ZOMBIE),
                )
                for seq in range(1, 40)
            )
            self.notes.append(PartBatch(episode=episode, entries=entries))

    def finish(self) -> None:
        if self.chat.status in LEASED:
            self._change(self._finish)

    def commit_calls(self) -> None:
        if self.chat.status is Status.RUNNING:
            self._change(lambda: self._insert(Role.ASSISTANT))

    def more(self) -> None:
        if self.chat.status is Status.RUNNING:
            self._change(lambda: (self._insert(Role.TOOL), self._become(Status.PENDING)))

    def compact(self) -> None:
        if self.chat.status is Status.RUNNING:
            self._change(self._compact)

    def require_action(self) -> None:
        if self.chat.status is Status.RUNNING:
            self._change(self._require_action)

    def record_retry(self) -> None:
        if self.chat.status is Status.RUNNING:
            self.buffers.pop(self.chat.episode, None)
            self._change(self._record_retry)

    def fail(self) -> None:
        if self.chat.status is Status.RUNNING:
            self._change(self._fail)

    def lose(self) -> None:
        if self.chat.status is Status.RUNNING:
            self._change(lambda: self._become(Status.PENDING))

    # What a stream asks.

    def view(self, since: Since, *, page: int = PAGE) -> StreamView:
        shown = [row.message for row in self._current() if not row.hidden]
        turn = self.turns.get(since.turn) if since.turn is not None else None
        if since.from_turn:
            began = turn.user_message_id if turn is not None else None
            wanted = [one for one in shown if began is not None and one.id >= began]
        elif since.newest is not None:
            wanted = shown[max(len(shown) - since.newest, 0) :]
        else:
            wanted = [one for one in shown if one.id > since.message]
        outcomes = sorted(
            (one for one in self.turns.values() if (one.revision or 0) > since.turns),
            key=lambda one: (one.revision or 0, one.turn_id),
        )
        return StreamView(
            chat=self.chat.copy(),
            messages=tuple(wanted[:page]),
            more=len(wanted) > page,
            newest=since.newest,
            queue=tuple(self.queue) if self.chat.queue_version > since.state else (),
            removals=self._removals(since.turns),
            outcomes=tuple(outcomes),
            turn=turn,
        )

    @property
    def visible(self) -> list[MessageId]:
        return [row.message.id for row in self._current() if not row.hidden]

    @property
    def buffer(self) -> list[PartEntry]:
        return self.buffers.get(self.chat.episode, []) if self.chat.status in LEASED else []

    # How it is done.

    def _change(self, move: Callable[[], object]) -> None:
        before, queue = self.chat.copy(), list(self.queue)
        inserted, removed = len(self.rows), self._removed()
        self.chat.snapshot_version += 1
        move()
        history = len(self.rows) != inserted or self._removed() != removed
        if history or self.chat.status not in LEASED:
            self.past.append(before.episode)
        stamp_versions(before, self.chat, history=history, queue=self.queue != queue)
        self.notes.append(ChangedHint(snapshot_version=self.chat.snapshot_version))

    def _id(self) -> int:
        self.ids += 1
        return self.ids

    def _become(self, status: Status) -> None:
        self.chat.status = status
        if status is not Status.ERROR:
            self.chat.last_error = None
        if status is not Status.REQUIRES_ACTION:
            self.chat.pending_calls = ()

    def _current(self) -> list[Row]:
        return [row for row in self.rows if row.removed_at is None]

    def _removed(self) -> int:
        return len(self.rows) - len(self._current())

    def _removals(self, after: int) -> tuple[Removal, ...]:
        found: dict[int, MessageId] = {}
        for row in self.rows:
            if row.removed_at is not None and row.removed_at > after and not row.hidden:
                found.setdefault(row.removed_at, row.message.id)
        return tuple(Removal(revision=at, first=found[at]) for at in sorted(found))

    def _insert(self, role: Role, *, hidden: bool = False) -> MessageId:
        id_ = MessageId(self._id())
        message = Message(
            id=id_,
            chat_id=self.chat.id,
            turn_id=self.chat.current_turn_id,
            role=role,
            content=(TextPart(text=f"message {id_}"),),
            created_at=NOON,
            revision=self.chat.snapshot_version,
            attempt=self.chat.generation_attempt,
        )
        self.rows.append(Row(message=message, hidden=hidden))
        self.chat.last_message_id = id_
        return id_

    def _start_turn(self) -> None:
        turn_id = TurnId(UUID(int=self._id()))
        self.chat.current_turn_id = turn_id
        self._enter(turn_id)
        self._become(Status.PENDING)

    def _enter(self, turn_id: TurnId) -> None:
        self.chat.current_turn_id = turn_id
        message_id = self._insert(Role.USER)
        self.turns[turn_id] = TurnOutcome(
            turn_id=turn_id,
            status=TurnStatus.ACTIVE,
            revision=None,
            user_message_id=message_id,
            answer_message_id=None,
            error=None,
        )

    def _enqueue(self) -> None:
        turn_id = TurnId(UUID(int=self._id()))
        self.turns[turn_id] = TurnOutcome(
            turn_id=turn_id,
            status=TurnStatus.QUEUED,
            revision=None,
            user_message_id=None,
            answer_message_id=None,
            error=None,
        )
        self.queue.append(
            QueuedMessage(
                id=QueuedId(self._id()),
                chat_id=ChatId(self.chat.id),
                turn_id=turn_id,
                position=self.ids,
                interrupting=False,
                content=(TextPart(text="queued"),),
                created_at=NOON,
            )
        )

    def _next(self) -> None:
        if self.queue:
            self._enter(self.queue.pop(0).turn_id)
            self._become(Status.PENDING)
        else:
            self._become(Status.WAITING)

    def _end(self, status: TurnStatus, error: ChatError | None = None) -> None:
        turn_id = self.chat.current_turn_id
        if turn_id is not None:
            revision = self.chat.snapshot_version
            turn = replace(self.turns[turn_id], status=status, revision=revision, error=error)
            self.turns[turn_id] = turn

    def _begin(self) -> None:
        self._become(Status.RUNNING)
        self.chat.generation_attempt += 1
        self.chat.retry_state = None

    def _finish(self) -> None:
        stopped = self.chat.status is Status.INTERRUPTING
        self._insert(Role.ASSISTANT)
        self._end(TurnStatus.INTERRUPTED if stopped else TurnStatus.FINISHED)
        self._next()

    def _compact(self) -> None:
        self._insert(Role.USER, hidden=True)
        self._insert(Role.ASSISTANT)
        self._become(Status.PENDING)

    def _require_action(self) -> None:
        self._insert(Role.ASSISTANT)
        self._end(TurnStatus.REQUIRES_ACTION)
        self._become(Status.REQUIRES_ACTION)
        turn_id = self.chat.current_turn_id
        assert turn_id is not None
        call = PendingCall(
            tool_call_id=f"call {self._id()}",
            tool_name="ask",
            args={},
            deadline_at=NOON,
            turn_id=turn_id,
        )
        self.chat.pending_calls = (call,)

    def _answer_calls(self) -> None:
        self._insert(Role.TOOL)
        self._go_on()

    def _go_on(self) -> None:
        turn_id = self.chat.current_turn_id
        assert turn_id is not None
        turn = replace(self.turns[turn_id], status=TurnStatus.ACTIVE, revision=None, error=None)
        self.turns[turn_id] = turn
        self._become(Status.PENDING)

    def _reopen(self) -> None:
        self._go_on()

    def _record_retry(self) -> None:
        self._become(Status.PENDING)
        self.chat.retry_state = RetryState(
            attempt=self._id(),
            delay_ms=1000,
            error="busy",
            kind="overloaded",
            retryable=True,
            retrying_at=NOON,
        )

    def _fail(self) -> None:
        self._become(Status.ERROR)
        error = ChatError(
            message=f"error {self._id()}",
            kind="generic",
            retryable=False,
            turn_id=self.chat.current_turn_id,
        )
        self.chat.last_error = error
        self._end(TurnStatus.FAILED, error)

    def _stop(self) -> None:
        self._end(TurnStatus.INTERRUPTED)
        self.chat.retry_state = None
        if self.chat.status is Status.REQUIRES_ACTION:
            self._insert(Role.TOOL)
        self._next()

    def _replace_from(self, first: MessageId) -> None:
        self._end(TurnStatus.REPLACED)
        for row in self._current():
            if row.message.id >= first:
                row.removed_at = self.chat.snapshot_version
        for queued in self.queue:
            self.turns[queued.turn_id] = replace(
                self.turns[queued.turn_id],
                status=TurnStatus.REPLACED,
                revision=self.chat.snapshot_version,
            )
        self.queue.clear()
        self._start_turn()
