"""How turns start, follow each other and end: the pieces that the moves share."""

from dataclasses import dataclass

from shared.chats.machine.change import Change
from shared.chats.model.chat import Chat
from shared.chats.model.errors import QueueFull
from shared.chats.model.ids import MessageId, TurnId
from shared.chats.model.messages import NewMessage, QueuedMessage, Role, UserMessage
from shared.chats.model.statuses import Move, Status, TurnStatus
from shared.chats.moves.open_calls import answer_outstanding
from shared.chats.rules.accounting import queued_time, reset_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where a user message went: into the history, or into the queue."""

    turn_id: TurnId
    message_id: MessageId | None = None
    queued: QueuedMessage | None = None


def start_turn(change: Change, message: UserMessage) -> Placed:
    """Open a turn with its message in the history. The caller sets the status and wakes."""
    turn_id = change.open_turn()
    message_id = _enter(change, turn_id, message)
    reset_time(change.chat, queued_since=change.now, now=change.now)
    return Placed(turn_id=turn_id, message_id=message_id)


def enqueue_message(change: Change, message: UserMessage, *, interrupting: bool) -> Placed:
    """Put a message into the queue, with a turn of its own. Raise `QueueFull`."""
    chat = change.chat
    if chat.queue_length >= change.limits.max_queued:
        raise QueueFull(limit=change.limits.max_queued)
    turn_id = TurnId(change.new_id())
    queued = change.queue.append(turn_id, message, interrupting=interrupting, now=change.now)
    chat.queue_length += 1
    change.queue_changed = True
    return Placed(turn_id=turn_id, queued=queued)


def next_turn(change: Change, move: Move, *, otherwise: Status) -> None:
    """Leave the ended turn: promote the queue's head (pending), else rest in `otherwise`."""
    change.book()
    if promote_head(change) is not None:
        change.apply(move, Status.PENDING)
        change.wake()
        return
    change.apply(move, otherwise)
    if otherwise is Status.WAITING:
        change.chat.current_turn_id = None


def promote_head(change: Change) -> Placed | None:
    """Move the queue's head into the history and make its turn the current one."""
    if change.chat.queue_length == 0:
        return None
    queued = change.queue.pop_head()
    if queued is None:
        return None
    change.chat.queue_length -= 1
    change.queue_changed = True
    return activate(change, queued)


def activate(change: Change, queued: QueuedMessage) -> Placed:
    """Make a queued message, taken out of the queue, the current turn's."""
    change.change_turn(queued.turn_id, status=TurnStatus.ACTIVE)
    message = UserMessage(
        content=queued.content,
        model=queued.model,
        author=queued.author,
        metadata=queued.metadata,
        stored=queued.stored,
    )
    message_id = _enter(change, queued.turn_id, message)
    reset_time(change.chat, queued_since=queued.created_at, now=change.now)
    return Placed(turn_id=queued.turn_id, message_id=message_id)


def _enter(change: Change, turn_id: TurnId, message: UserMessage) -> MessageId:
    chat = change.chat
    if message.model is not None:
        chat.model = message.model
    [message_id] = change.insert([user_row(turn_id, message)])
    chat.current_turn_id = turn_id
    change.change_turn(turn_id, user_message_id=message_id)
    return message_id


def user_row(turn_id: TurnId, message: UserMessage) -> NewMessage:
    """Return the history row of a user message."""
    return NewMessage(
        role=Role.USER,
        content=message.content,
        turn_id=turn_id,
        author=message.author,
        metadata=message.metadata,
        stored=message.stored,
    )


def drop_queue(change: Change) -> None:
    """Empty the queue; the turns that waited in it end `replaced`."""
    if change.chat.queue_length == 0:
        return
    for queued in change.queue.clear():
        replace_queued(change, queued)
    change.chat.queue_length = 0
    change.queue_changed = True


def replace_queued(change: Change, queued: QueuedMessage) -> None:
    """End the turn of a message that left the queue unanswered: queued is all it ever was."""
    change.change_turn(
        queued.turn_id,
        status=TurnStatus.REPLACED,
        outcome_revision=change.chat.snapshot_version,
        time=queued_time(since=queued.created_at, now=change.now),
        ended_at=change.now,
    )


def stop_turn(change: Change) -> None:
    """End the current turn where it stands, between two steps: calls get synthetic results."""
    answer_outstanding(change)
    change.end_turn(TurnStatus.INTERRUPTED)
    change.book()
    clear_action(change.chat)
    change.chat.clear_retry()
    change.chat.compaction_requested_at = None


def clear_action(chat: Chat) -> None:
    """Forget the dynamic calls that waited for the client."""
    chat.pending_calls = ()
    chat.requires_action_deadline_at = None
