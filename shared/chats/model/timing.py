"""Times: where a turn's went, and the longest that the broker is asked to keep."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTime:
    """Where a turn's time went, in seconds; the fields add up to the turn's length."""

    queue: float = 0.0
    provider: float = 0.0
    backoff: float = 0.0
    tools: float = 0.0
    client_tools: float = 0.0
    commit: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """How a step spent its lease, in seconds; what is left of the lease counts as commit."""

    provider: float = 0.0
    tools: float = 0.0


LONGEST_COUNTDOWN = timedelta(minutes=10)
"""Longer waits are left to the sweeper: the broker keeps a countdown in one worker's memory."""
