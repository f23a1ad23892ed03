"""Create a chat, and send to one: at once, behind the queue, or by interrupting."""

from shared.chats.machine.change import Change
from shared.chats.model.errors import ChatBusy
from shared.chats.model.messages import UserMessage
from shared.chats.model.statuses import BusyBehavior, Move, Status
from shared.chats.moves.turns import Placed, enqueue_message, promote_head, start_turn, stop_turn
from shared.chats.rules.transitions import allows

_MOVES = {
    BusyBehavior.QUEUE: Move.SEND_QUEUE,
    BusyBehavior.INTERRUPT: Move.SEND_INTERRUPT,
    BusyBehavior.REJECT: Move.SEND_REJECT,
}


def create(change: Change, message: UserMessage) -> Placed:
    """Put the first message into a chat that was just inserted, pending."""
    placed = start_turn(change, message)
    change.wake()
    return placed


def send(change: Change, message: UserMessage, busy: BusyBehavior) -> Placed:
    """Accept a user message. Raises `ChatBusy`, `QueueFull`, `ChatArchived`."""
    status = change.chat.status
    if busy is BusyBehavior.REJECT and not allows(Move.SEND_REJECT, status):
        raise ChatBusy(found=status)
    move = _MOVES[busy]
    change.require(move)
    change.chat.compaction_requested_at = None
    match status:
        case Status.WAITING | Status.ERROR:
            return _send_idle(change, move, message)
        case Status.PENDING | Status.REQUIRES_ACTION if busy is BusyBehavior.INTERRUPT:
            return _send_over(change, move, message)
        case Status.RUNNING | Status.INTERRUPTING if busy is BusyBehavior.INTERRUPT:
            return _send_into_running(change, move, message)
        case _:
            return enqueue_message(change, message, interrupting=False)


def _send_idle(change: Change, move: Move, message: UserMessage) -> Placed:
    if change.chat.queue_length == 0:
        placed = start_turn(change, message)
    else:
        # Who waited longer goes first, which makes room for this one even in a full queue.
        promote_head(change)
        placed = enqueue_message(change, message, interrupting=False)
    change.apply(move, Status.PENDING)
    change.wake()
    return placed


def _send_over(change: Change, move: Move, message: UserMessage) -> Placed:
    """Stop a turn that no worker holds, and take its place."""
    waits_behind = change.queue.has_interrupting()
    stop_turn(change)
    if waits_behind:
        promote_head(change)
        placed = enqueue_message(change, message, interrupting=True)
    else:
        placed = start_turn(change, message)
    change.apply(move, Status.PENDING)
    change.wake()
    return placed


def _send_into_running(change: Change, move: Move, message: UserMessage) -> Placed:
    """Queue before the ordinary ones: the partial answer has to stand before the message."""
    placed = enqueue_message(change, message, interrupting=True)
    if change.chat.status is Status.RUNNING:
        change.stop_worker()
    change.apply(move, Status.INTERRUPTING)
    return placed
