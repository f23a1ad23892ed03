"""Put an answer with calls into the history before any of them runs: a crash then finds them."""

from dataclasses import dataclass

from shared.chats.machine.change import Change
from shared.chats.machine.effects import ToolResulted
from shared.chats.model.errors import StaleFence
from shared.chats.model.ids import MessageId
from shared.chats.model.lease import Episode, Fence
from shared.chats.model.messages import NewMessage
from shared.chats.model.statuses import Move, Status
from shared.chats.model.timing import Spans
from shared.chats.moves.workers.fence import check_fence
from shared.chats.moves.workers.settle import Rows, Settlement, finish_interruption


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """The calls stand in the history; the step goes on under this fence, in this episode."""

    fence: Fence
    message_id: MessageId
    episode: Episode


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment:
    """An answer whose calls are about to run; `if_stopped` is kept if a person was faster.

    `spans` is how the lease was spent so far: from here on it is the tools', whoever ends it.
    `refused` are calls that are answered without being run, to be counted.
    """

    answer: NewMessage
    if_stopped: Rows
    spans: Spans
    refused: tuple[ToolResulted, ...] = ()


def commit_calls(change: Change, fence: Fence, commitment: Commitment) -> Committed | Settlement:
    """Insert the answer and keep the lease; a stopped step ends here, with `if_stopped`.

    Raises `StaleFence`. Once more after a COMMIT whose answer was lost, it finds what it wrote.
    """
    chat = change.chat
    if chat.lease_id == fence.lease_id and chat.history_version != fence.history_version:
        # Under this lease nobody else changes the history: it is this very commit that did.
        change.unchanged = True
        return Committed(
            fence=Fence(history_version=chat.history_version, lease_id=fence.lease_id),
            message_id=chat.last_message_id,
            episode=chat.episode,
        )
    check_fence(change, fence)
    change.spans = commitment.spans
    change.effects += commitment.refused
    if chat.status is Status.INTERRUPTING:
        finish_interruption(change, commitment.if_stopped, Move.FINISH_INTERRUPTION)
        return Settlement(move=Move.FINISH_INTERRUPTION)
    if chat.status is not Status.RUNNING:
        raise StaleFence
    [message_id] = change.insert([commitment.answer])
    change.apply(Move.COMMIT_CALLS, Status.RUNNING)
    change.book()
    return Committed(
        fence=Fence(history_version=chat.snapshot_version, lease_id=fence.lease_id),
        message_id=message_id,
        episode=Episode(history_version=chat.snapshot_version, attempt=0),
    )
