"""Puts chats into every status by real moves, for tests that go on from there."""

from dataclasses import dataclass
from functools import partial

from shared.chats.model.ids import ChatId, LeaseId, MessageId, QueuedId, TurnId
from shared.chats.model.lease import Fence
from shared.chats.model.statuses import LEASED, Status
from shared.chats.moves.callers.interrupt_retry import interrupt
from shared.chats.moves.workers.settle import Failed, Finish
from tests.chats import TERMINAL, Bench, answer, require_action, start_chat


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A chat in some status. `fence` is that of its latest step, still held only if leased."""

    chat_id: ChatId
    turn_id: TurnId
    message_id: MessageId
    fence: Fence
    queued: tuple[QueuedId, ...]
    queued_turns: tuple[TurnId, ...]


def put(bench: Bench, status: Status, *, queued: int = 0, **changes: object) -> Standing:
    """Create a chat and bring it into `status`, with so many messages in its queue."""
    created = start_chat(bench.machine, "hello", **changes)
    chat_id, turn_id = created.chat.id, created.value.turn_id
    message_id = created.value.message_id
    assert message_id is not None
    fence = Fence(history_version=created.chat.history_version, lease_id=LeaseId(chat_id))
    if status is not Status.PENDING:
        fence = bench.begin(chat_id).fence
    placed = [bench.say(chat_id, f"queued {number}") for number in range(queued)]
    _lead(bench, chat_id, turn_id, fence, status)
    if status is Status.WAITING and queued:
        _strand(bench, chat_id)
    return Standing(
        chat_id=chat_id,
        turn_id=turn_id,
        message_id=message_id,
        fence=fence,
        queued=tuple(one.queued.id for one in placed if one.queued),
        queued_turns=tuple(one.turn_id for one in placed),
    )


def _lead(bench: Bench, chat_id: ChatId, turn_id: TurnId, fence: Fence, status: Status) -> None:
    match status:
        case Status.PENDING | Status.RUNNING:
            pass
        case Status.INTERRUPTING:
            bench.machine.update(chat_id, partial(interrupt, clear_queue=False))
        case Status.ERROR:
            bench.settle(chat_id, fence, Failed(failure=TERMINAL))
        case Status.REQUIRES_ACTION:
            bench.machine.update(chat_id, lambda change: require_action(change, fence, "a", "b"))
        case Status.WAITING if bench.chat(chat_id).queue_length:
            pass
        case Status.WAITING:
            bench.settle(chat_id, fence, Finish(rows=(answer(turn_id=turn_id),)))


def _strand(bench: Bench, chat_id: ChatId) -> None:
    """Let a running chat lie in `waiting` with its queue, which no move of ours does."""
    bench.execute(
        "UPDATE chats SET status = 'waiting', lease_id = NULL, worker_id = NULL WHERE id = :id",
        id=chat_id,
    )


def archive(bench: Bench, chat_id: ChatId) -> None:
    bench.execute("UPDATE chats SET archived = true WHERE id = :id", id=chat_id)


def holds_lease(status: Status) -> bool:
    return status in LEASED
