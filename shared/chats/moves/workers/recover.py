"""Take a chat back from a worker that died, and repair one that was left lying."""

from shared.chats.machine.change import Change
from shared.chats.model.errors import StaleFence
from shared.chats.model.lease import Fence
from shared.chats.model.statuses import Move, Status
from shared.chats.moves.turns import next_turn
from shared.chats.moves.workers.fence import check_fence
from shared.chats.moves.workers.settle import Rows, finish_interruption


def recover_running(change: Change, fence: Fence) -> None:
    """Make a step of a dead worker runnable again. Raises `StaleFence`."""
    check_fence(change, fence)
    if change.chat.status is not Status.RUNNING:
        raise StaleFence
    change.chat.losses += 1
    change.apply(Move.RECOVER, Status.PENDING)
    change.wake()


def recover_interrupting(change: Change, fence: Fence, partial: Rows) -> None:
    """Finish an interruption in place of its worker, with the buffered parts. `StaleFence`."""
    check_fence(change, fence)
    if change.chat.status is not Status.INTERRUPTING:
        raise StaleFence
    finish_interruption(change, partial, Move.RECOVER)


def recover_stranded(change: Change) -> None:
    """Promote the queue's head of a chat that waits although it has a queue."""
    if change.chat.status is not Status.WAITING or change.chat.queue_length == 0:
        change.unchanged = True
        return
    next_turn(change, Move.RECOVER, otherwise=Status.WAITING)
