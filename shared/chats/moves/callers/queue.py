"""What people do to the queue: take a message out of it, or have it answered next."""

from shared.chats.machine.change import Change
from shared.chats.model.errors import QueuedNotFound
from shared.chats.model.ids import QueuedId, TurnId
from shared.chats.model.messages import QueuedMessage
from shared.chats.model.statuses import Move, Status
from shared.chats.moves.turns import Placed, activate, replace_queued, stop_turn


def delete_queued(change: Change, queued_id: QueuedId) -> TurnId:
    """Take a message out of the queue; its turn ends `replaced`. Raises `QueuedNotFound`."""
    change.require(Move.DELETE_QUEUED)
    queued = _take(change, queued_id)
    replace_queued(change, queued)
    return queued.turn_id


def promote_queued(change: Change, queued_id: QueuedId) -> Placed:
    """Have a queued message answered next, whatever runs. Raises `QueuedNotFound`."""
    change.require(Move.PROMOTE_QUEUED)
    if change.chat.status in (Status.RUNNING, Status.INTERRUPTING):
        return _promote_into_running(change, queued_id)
    return _promote_over(change, queued_id)


def _promote_into_running(change: Change, queued_id: QueuedId) -> Placed:
    if not change.queue.move_to_head(queued_id):
        raise QueuedNotFound
    change.queue_changed = True
    if change.chat.status is Status.RUNNING:
        change.stop_worker()
    change.apply(Move.PROMOTE_QUEUED, Status.INTERRUPTING)
    head = change.queue.load()[0]
    return Placed(turn_id=head.turn_id, queued=head)


def _promote_over(change: Change, queued_id: QueuedId) -> Placed:
    # Whoever asked for this very message wants it next, before earlier interrupting ones too.
    queued = _take(change, queued_id)
    if change.chat.status is not Status.ERROR:
        stop_turn(change)
    placed = activate(change, queued)
    change.apply(Move.PROMOTE_QUEUED, Status.PENDING)
    change.wake()
    return placed


def _take(change: Change, queued_id: QueuedId) -> QueuedMessage:
    queued = change.queue.remove(queued_id)
    if queued is None:
        raise QueuedNotFound
    change.chat.queue_length -= 1
    change.queue_changed = True
    return queued
