"""Take a chat back from a worker that died, and repair one that was left lying."""

from shared.chats.change import Change
from shared.chats.drive.fence import Fence
from shared.chats.drive.settle import Rows, finish_interruption
from shared.chats.errors import StaleFence
from shared.chats.states import Move, Status
from shared.chats.turning import next_turn


def recover_running(change: Change, fence: Fence) -> None:
    """Make a step of a dead worker runnable again. Raises `StaleFence`."""
    fence.check(change)
    if change.chat.status is not Status.RUNNING:
        raise StaleFence
    change.chat.losses += 1
    change.go(Move.RECOVER, Status.PENDING)
    change.wake()


def recover_interrupting(change: Change, fence: Fence, partial: Rows) -> None:
    """Finish an interruption in place of its worker, with the buffered parts. `StaleFence`."""
    fence.check(change)
    if change.chat.status is not Status.INTERRUPTING:
        raise StaleFence
    finish_interruption(change, partial, Move.RECOVER)


def recover_stranded(change: Change) -> None:
    """Promote the queue's head of a chat that waits although it has a queue."""
    if change.chat.status is not Status.WAITING or change.chat.queue_length == 0:
        change.unchanged = True
        return
    next_turn(change, Move.RECOVER, otherwise=Status.WAITING)
