"""The spread of times: what of many measured ones goes into a figure."""

from collections.abc import Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict


class Spread(BaseModel):
    """The half and the slowest hundredth of some times, in milliseconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    p50: float
    p99: float

    @classmethod
    def of(cls, times_ns: Sequence[int]) -> Self:
        """Take the times, in nanoseconds; at least one."""
        return cls(p50=percentile(times_ns, 50) / 1e6, p99=percentile(times_ns, 99) / 1e6)

    def at(self, percent: int) -> float:
        """Return one of the two."""
        return {50: self.p50, 99: self.p99}[percent]


def percentile(values: Sequence[int], percent: int) -> int:
    """Return the smallest value that at least so many percent are not above."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)  # rounded up
    return ordered[max(rank, 1) - 1]
