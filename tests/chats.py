"""Builders for tests that work with chats directly."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Engine, text
from uuid_utils.compat import uuid7

from shared.chats.machine.change import Change
from shared.chats.machine.effects import Effects, Hint
from shared.chats.machine.limits import Limits
from shared.chats.machine.machine import ChatMachine, Updated
from shared.chats.model.chat import Chat, PendingCall
from shared.chats.model.ids import ChatId, LeaseId, MessageId, TurnId, WorkerId
from shared.chats.model.lease import Fence
from shared.chats.model.messages import Message, NewMessage, QueuedMessage, Role, Usage, UserMessage
from shared.chats.model.parts import TextPart, ToolCallPart
from shared.chats.model.statuses import BusyBehavior, Move, Status, TurnStatus
from shared.chats.model.timing import Spans, TurnTime
from shared.chats.model.turns import Turn
from shared.chats.moves.callers.send import create, send
from shared.chats.moves.turns import Placed
from shared.chats.moves.workers.begin import Beginning, Begun, begin
from shared.chats.moves.workers.fence import check_fence
from shared.chats.moves.workers.settle import Ending, Result, Rows, Settlement, settle
from shared.chats.reads.chats import find_chat
from shared.chats.reads.messages import list_messages, load_queue
from shared.chats.reads.turns import find_turn
from shared.chats.store import workers
from shared.failures.kinds import ErrorKind, Failure
from shared.jsonvalue import JsonObject
from shared.metrics.metrics import Metrics


@dataclass(slots=True)
class Recorder:
    """Takes what effects send, as a dispatcher and a notifier would."""

    sent: list[tuple[ChatId, float]] = field(default_factory=list[tuple[ChatId, float]])
    hints: list[Hint] = field(default_factory=list[Hint])

    def send(
        self, chat_id: ChatId, *, countdown_seconds: float = 0.0, background: bool = False
    ) -> None:
        del background
        self.sent.append((chat_id, countdown_seconds))

    def publish(self, hints: Sequence[Hint]) -> None:
        self.hints.extend(hints)


def make_machine(
    engine: Engine, *, recorder: Recorder | None = None, limits: Limits | None = None
) -> ChatMachine:
    recorder = recorder or Recorder()
    effects = Effects(
        dispatcher=recorder,
        notifier=recorder,
        metrics=Metrics.noop(),
        providers={},
        log=structlog.stdlib.get_logger(),
    )
    return ChatMachine(engine=engine, effects=effects, limits=limits or Limits(), new_id=uuid7)


def new_chat(**changes: object) -> Chat:
    now = datetime.now(UTC)
    values: dict[str, object] = {
        "id": ChatId(uuid7()),
        "owner": "alice",
        "title": "hello",
        "model": "scripted",
        "status": Status.PENDING,
        "snapshot_version": 0,
        "history_version": 0,
        "status_version": 1,
        "phase_since": now,
        "created_at": now,
        "updated_at": now,
        "labels": {},
        "metadata": {},
        "usage": Usage(),
        "last_message_id": MessageId(0),
        "turn_time": TurnTime(),
    }
    return Chat(**{**values, **changes})  # pyright: ignore[reportArgumentType]


def said(text: str) -> UserMessage:
    return UserMessage(content=(TextPart(text=text),))


def start_chat(machine: ChatMachine, text: str = "hello", **changes: object) -> Updated[Placed]:
    with machine.create(new_chat(**changes)) as change:
        placed = create(change, said(text))
        return Updated(value=placed, chat=change.write())


TERMINAL = Failure(kind=ErrorKind.AUTH, retryable=False, provider="openai", message="No.")
PASSING = Failure(kind=ErrorKind.OVERLOADED, retryable=True, provider="openai", status_code=529)

LONG_SECONDS = 3600.0
"""Longer than any test takes, however slow its machine is."""

_TABLES = {"chats": "id", "turns": "chat_id", "messages": "chat_id", "queued_messages": "chat_id"}
_ROWS = text(
    "SELECT "
    + ", ".join(
        f"(SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY t.id), '[]') FROM {table} t"
        f" WHERE {column} = :id)"
        for table, column in _TABLES.items()
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A machine, a live worker, and what the effects of moves sent."""

    engine: Engine
    machine: ChatMachine
    recorder: Recorder
    worker_id: WorkerId

    def start(self, text: str = "hello", **changes: object) -> ChatId:
        """Create a chat; it is pending."""
        return start_chat(self.machine, text, **changes).chat.id

    def say(self, chat_id: ChatId, text: str, busy: BusyBehavior = BusyBehavior.QUEUE) -> Placed:
        return self.machine.update(chat_id, lambda change: send(change, said(text), busy)).value

    def deliver(self, chat_id: ChatId) -> Beginning:
        """Do what a delivery does, on this bench's worker."""
        lease_id = LeaseId(uuid7())
        with self.machine.begin(chat_id, self.worker_id) as change:
            return begin(change, worker_id=self.worker_id, lease_id=lease_id)

    def begin(self, chat_id: ChatId) -> Begun:
        begun = self.deliver(chat_id)
        assert isinstance(begun, Begun), begun
        return begun

    def settle(
        self,
        chat_id: ChatId,
        fence: Fence,
        ending: Ending,
        *,
        partial: Rows = (),
        spans: Spans | None = None,
    ) -> Settlement:
        result = Result(ending=ending, partial=partial, spans=spans or Spans())
        return self.machine.update(chat_id, lambda change: settle(change, fence, result)).value

    def chat(self, chat_id: ChatId) -> Chat:
        with self.engine.connect() as connection:
            found = find_chat(connection, chat_id)
        assert found is not None
        return found

    def turn(self, chat_id: ChatId, turn_id: TurnId) -> Turn:
        with self.engine.connect() as connection:
            found = find_turn(connection, chat_id, turn_id)
        assert found is not None
        return found

    def queue(self, chat_id: ChatId) -> Sequence[QueuedMessage]:
        with self.engine.connect() as connection:
            return load_queue(connection, chat_id)

    def history(self, chat_id: ChatId) -> Sequence[Message]:
        """Return the transcript, oldest first."""
        with self.engine.connect() as connection:
            return list_messages(connection, chat_id, limit=200, after=MessageId(0)).items

    def execute(self, sql: str, **values: object) -> None:
        """Change rows behind the machine's back: for what only an accident brings about."""
        with self.engine.begin() as connection:
            connection.execute(text(sql), values)

    def age(self, chat_id: ChatId, column: str, seconds: float) -> None:
        """Let a moment of the chat lie further back."""
        self.execute(
            f"UPDATE chats SET {column} = {column} - make_interval(secs => :seconds)"
            " WHERE id = :id",
            id=chat_id,
            seconds=seconds,
        )

    def rows(self, chat_id: ChatId) -> dict[str, list[JsonObject]]:
        """Return everything that is stored of a chat."""
        with self.engine.connect() as connection:
            row = connection.execute(_ROWS, {"id": chat_id}).one()
        return dict(zip(_TABLES, row, strict=True))


def open_bench(engine: Engine, *, limits: Limits | None = None) -> Bench:
    """Return a machine with a worker of its own, which stays alive without renewing itself."""
    recorder = Recorder()
    limits = limits or Limits(death_seconds=LONG_SECONDS)
    return Bench(
        engine=engine,
        machine=make_machine(engine, recorder=recorder, limits=limits),
        recorder=recorder,
        worker_id=register_worker(engine),
    )


def register_worker(engine: Engine, *, slots: int = 10, pid: int = 1) -> WorkerId:
    worker_id = WorkerId(uuid7())
    with engine.begin() as connection:
        workers.register(connection, worker_id, host="here", pid=pid, version="1", slots=slots)
    return worker_id


def answer(text: str = "hi", *, turn_id: TurnId | None, usage: Usage | None = None) -> NewMessage:
    return NewMessage(
        role=Role.ASSISTANT,
        content=(TextPart(text=text),),
        turn_id=turn_id,
        model="scripted",
        usage=usage,
    )


def call_row(turn_id: TurnId | None, *call_ids: str) -> NewMessage:
    """An answer that asks for tools."""
    calls = tuple(
        ToolCallPart(tool_call_id=call_id, tool_name="look", args={}) for call_id in call_ids
    )
    return NewMessage(role=Role.ASSISTANT, content=calls, turn_id=turn_id, model="scripted")


def require_action(change: Change, fence: Fence, *call_ids: str) -> None:
    """Pause a running turn for dynamic calls, as the move of a later issue will."""
    check_fence(change, fence)
    turn_id = change.chat.current_turn_id
    assert turn_id is not None
    change.insert([call_row(turn_id, *call_ids)])
    deadline = change.now + timedelta(seconds=300)
    change.chat.pending_calls = tuple(
        PendingCall(
            tool_call_id=call_id,
            tool_name="look",
            args={},
            deadline_at=deadline,
            turn_id=turn_id,
        )
        for call_id in call_ids
    )
    change.chat.requires_action_deadline_at = deadline
    change.end_turn(TurnStatus.REQUIRES_ACTION)
    change.apply(Move.SETTLE_REQUIRE_ACTION, Status.REQUIRES_ACTION)
