"""End a turn by a failure."""

from shared.chats.machine.change import Change
from shared.chats.model.statuses import Move, OnError, Status, TurnStatus
from shared.chats.model.turns import ChatError
from shared.chats.moves.open_calls import answer_outstanding
from shared.chats.moves.turns import next_turn


def fail(change: Change, move: Move, error: ChatError) -> None:
    """Fail the current turn; the queue waits for a person, unless the chat goes on by itself."""
    chat = change.chat
    # What follows, a message or another try, must not find the calls of a dead worker open.
    answer_outstanding(change)
    chat.last_error = error
    change.end_turn(TurnStatus.FAILED)
    # What was counted stays: it is part of why the turn failed, until a person acts.
    chat.retry_at = chat.retry_state = None
    chat.compaction_requested_at = None
    if chat.on_error is OnError.CONTINUE and chat.queue_length > 0:
        next_turn(change, move, otherwise=Status.ERROR)
        # The error stays with the turn; the chat has moved on.
        chat.last_error = None
        return
    change.book()
    change.apply(move, Status.ERROR)
