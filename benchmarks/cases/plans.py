"""What the cases ask the fake model for."""

from typing import Final

from benchmarks.model.answer import Plan

SHORT: Final = Plan(deltas=10)
"""An answer for those who wait for its beginning."""

SPOKEN: Final = Plan(deltas=100, seconds=0.005)
"""An answer of half a second, so that 32 who ask one question after the other load a machine and
do not just queue before it."""

HUNDRED: Final = Plan(deltas=100)
"""As fast as the model can say it."""

LONG: Final = Plan(deltas=2_000)
"""So long that a delta's cost is not that of its request."""

HOPS: Final = 10
HOPPING: Final = Plan(deltas=1, hops=HOPS)

PER_SECOND: Final = 4
"""Deltas of a held stream."""

FAST_SECONDS: Final = 0.005
"""Between deltas to many readers: more than the stream's own 25 ms can show singly."""


def held(seconds: float) -> Plan:
    """An answer at an even, human pace."""
    return Plan(deltas=max(round(seconds * PER_SECOND), 1), seconds=1 / PER_SECOND)


def fast(seconds: float) -> Plan:
    """An answer that keeps many readers busy."""
    return Plan(deltas=max(round(seconds / FAST_SECONDS), 1), seconds=FAST_SECONDS)
