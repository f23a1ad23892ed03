"""The statuses of chats and turns, the moves between them, and what a caller may choose."""

from enum import StrEnum


class Status(StrEnum):
    """What a chat is doing."""

    WAITING = "waiting"  # nothing to do
    PENDING = "pending"  # runnable, no worker has it: enqueued, between steps, or backing off
    RUNNING = "running"  # one worker holds the lease and drives one step
    INTERRUPTING = "interrupting"  # stopped by a person; its worker owes the partial answer
    REQUIRES_ACTION = "requires_action"  # dynamic tool calls wait for the client
    ERROR = "error"  # the turn ended in a terminal failure; the queue is kept


class TurnStatus(StrEnum):
    """How far a turn has come."""

    QUEUED = "queued"  # its message waits in the queue
    ACTIVE = "active"  # it is being answered
    REQUIRES_ACTION = "requires_action"  # it waits for the client's tool results
    FINISHED = "finished"  # answered
    FAILED = "failed"  # ended by a terminal failure
    INTERRUPTED = "interrupted"  # stopped by a person
    REPLACED = "replaced"  # edited away, or its queued message removed


ENDED = frozenset(
    {TurnStatus.FINISHED, TurnStatus.FAILED, TurnStatus.INTERRUPTED, TurnStatus.REPLACED}
)
"""The turn statuses that are an outcome."""

LEASED = frozenset({Status.RUNNING, Status.INTERRUPTING})
"""The chat statuses in which a worker holds the lease."""

IDLE = frozenset({Status.WAITING, Status.ERROR, Status.REQUIRES_ACTION})
"""The chat statuses in which nothing happens until somebody acts."""


class Move(StrEnum):
    """What may happen to a chat. People make the first group, the engine the second."""

    CREATE = "create"
    SEND_QUEUE = "send_queue"
    SEND_INTERRUPT = "send_interrupt"
    SEND_REJECT = "send_reject"
    EDIT = "edit"
    DELETE_QUEUED = "delete_queued"
    PROMOTE_QUEUED = "promote_queued"
    INTERRUPT = "interrupt"
    RETRY = "retry"
    SUBMIT_TOOL_RESULTS = "submit_tool_results"
    COMPACT = "compact"
    CLEAR_CONTEXT = "clear_context"
    SET_FIELDS = "set_fields"
    ARCHIVE = "archive"
    UNARCHIVE = "unarchive"
    DELETE = "delete"

    BEGIN = "begin"
    COMMIT_CALLS = "commit_calls"
    SETTLE_MORE = "settle_more"
    SETTLE_REQUIRE_ACTION = "settle_require_action"
    SETTLE_FINISH = "settle_finish"
    RECORD_RETRY = "record_retry"
    SETTLE_FAIL = "settle_fail"
    FAIL_LOST = "fail_lost"
    DEFER = "defer"
    RELEASE = "release"
    FINISH_INTERRUPTION = "finish_interruption"
    EXPIRE_ACTION = "expire_action"
    RECOVER = "recover"


class BusyBehavior(StrEnum):
    """What a new message does to a chat that is busy."""

    QUEUE = "queue"  # wait for the turn to end
    INTERRUPT = "interrupt"  # stop the turn, keep what was said
    REJECT = "reject"  # refuse the message


class OnError(StrEnum):
    """What happens to the queue when a turn fails."""

    HOLD = "hold"  # the queue is kept and waits for a person
    CONTINUE = "continue"  # the queue's head is promoted
