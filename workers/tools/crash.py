"""The places on a tool call's way at which a worker may die: tests kill it at each of them."""

from collections.abc import Callable
from enum import StrEnum


class CrashPoint(StrEnum):
    """Where a step with tool calls stands."""

    ANSWERED = "answered"  # the answer with its calls is complete, in memory only
    COMMITTED = "committed"  # the calls stand in the history, none is claimed
    CLAIMING = "claiming"  # about to claim a call
    CLAIMED = "claimed"  # the claim is committed, the tool has not begun
    RAN = "ran"  # the tool has ended, only its worker knows
    RECORDED = "recorded"  # the result is in the ledger
    SETTLING = "settling"  # all results are there, the history has none of them
    SETTLED = "settled"  # the results are in the history, the next step is not taken
    PAUSING = "pausing"  # about to wait for the client
    PAUSED = "paused"  # the chat waits for the client
    EXPIRING = "expiring"  # a deadline is over, nothing is written yet
    EXPIRED = "expired"  # what stands for the client's results is in the history


Reached = Callable[[CrashPoint], None]
"""Told whenever a worker comes to one of them."""


def pass_by(point: CrashPoint) -> None:
    """Do nothing: what every worker outside of tests does there."""
    del point
