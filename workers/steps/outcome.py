"""How one delivery of a chat ended, as the task that received it needs to know it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The step wrote its result; whatever comes next has its own message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """The delivery found nothing to do, or the step lost its fence: nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryLater:
    """The same message is due again: a chat that backs off, or a delivery that came too early."""

    delay_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Nothing of the step was written: its chat is somebody else's, or this process ends."""


Outcome = Settled | Stale | RetryLater
"""The closed union: a `match` over it is exhaustive."""
