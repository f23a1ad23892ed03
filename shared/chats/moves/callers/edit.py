"""Edit a user message: the history from there on is taken back and written anew."""

from shared.chats.machine.change import Change
from shared.chats.machine.effects import FENCED
from shared.chats.model.errors import MessageNotFound, NotAUserMessage
from shared.chats.model.ids import MessageId
from shared.chats.model.messages import Role, UserMessage
from shared.chats.model.parts import Part
from shared.chats.model.statuses import Move, Status, TurnStatus
from shared.chats.moves.turns import Placed, clear_action, drop_queue, start_turn


def edit(change: Change, message_id: MessageId, content: tuple[Part, ...]) -> Placed:
    """Replace a user message and drop all that came after it, the queue included.

    Raises `MessageNotFound`, `NotAUserMessage`, `ChatArchived`.
    """
    change.require(Move.EDIT)
    chat = change.chat
    found = change.history.find(message_id)
    if found is None:
        raise MessageNotFound
    if found.role is not Role.USER:
        raise NotAUserMessage
    change.stop_worker(FENCED)
    drop_queue(change)
    # No other turn can be open, and one that has ended keeps its outcome.
    change.end_turn(TurnStatus.REPLACED)
    change.book()
    change.history.remove_from(message_id, revision=chat.snapshot_version, now=change.now)
    change.history_changed = True
    clear_action(chat)
    chat.compaction_requested_at = None
    message = UserMessage(content=content, author=found.author, metadata=found.metadata)
    placed = start_turn(change, message)
    change.apply(Move.EDIT, Status.PENDING)
    change.wake()
    return placed
