"""Stop a turn, or try a failed one again."""

from shared.chats.machine.change import Change
from shared.chats.model.statuses import Move, Status, TurnStatus
from shared.chats.moves.turns import drop_queue, next_turn, stop_turn


def interrupt(change: Change, *, clear_queue: bool) -> None:
    """Stop what the chat is doing; where it does nothing, that is a success too."""
    change.require(Move.INTERRUPT)
    status = change.chat.status
    if clear_queue:
        drop_queue(change)
    match status:
        case Status.PENDING | Status.REQUIRES_ACTION:
            stop_turn(change)
            next_turn(change, Move.INTERRUPT, otherwise=Status.WAITING)
        case Status.RUNNING:
            change.chat.compaction_requested_at = None
            change.stop_worker()
            change.apply(Move.INTERRUPT, Status.INTERRUPTING)
        case Status.WAITING | Status.ERROR | Status.INTERRUPTING:
            change.unchanged = not change.queue_changed


def retry(change: Change) -> None:
    """Make the failed turn active again, with nothing held against it."""
    change.require(Move.RETRY)
    chat = change.chat
    chat.clear_retry()
    change.apply(Move.RETRY, Status.PENDING)
    if chat.current_turn_id is not None:
        change.change_turn(
            chat.current_turn_id,
            status=TurnStatus.ACTIVE,
            error=None,
            ended_at=None,
            outcome_revision=None,
        )
    change.wake()
