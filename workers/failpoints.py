"""The places on a step's way at which a worker may die: tests kill it, or hold it, at each."""

from collections.abc import Callable
from enum import StrEnum


class Failpoint(StrEnum):
    """Where a worker stands. None is on the loop: who is held there would miss its renewals."""

    BEGINNING = "beginning"  # a delivery came, nothing is taken
    BEGUN = "begun"  # the lease is taken, the model is not asked
    STREAMED = "streamed"  # the stream is over and shown, its end is in memory only
    ANSWERED = "answered"  # the answer with its calls is complete, in memory only
    COMMITTED = "committed"  # the calls stand in the history, none is claimed
    CLAIMING = "claiming"  # about to claim a call
    CLAIMED = "claimed"  # the claim is committed, the tool has not begun
    RAN = "ran"  # the tool has ended, only its worker knows
    RECORDED = "recorded"  # the result is in the ledger
    SETTLING = "settling"  # about to write the end of a step, which only its worker knows
    SETTLED = "settled"  # the end is written, the next step is not taken
    RETRIED = "retried"  # the backoff is written, no message for its end is sent
    PAUSING = "pausing"  # about to wait for the client
    PAUSED = "paused"  # the chat waits for the client
    EXPIRING = "expiring"  # a deadline is over, nothing is written yet
    EXPIRED = "expired"  # what stands for the client's results is in the history
    RECOVERING = "recovering"  # about to take a chat back from a dead worker


Reached = Callable[[Failpoint], None]
"""Told whenever a worker comes to one of them."""


def pass_by(point: Failpoint) -> None:
    """Do nothing: what every worker outside of tests does there."""
    del point
