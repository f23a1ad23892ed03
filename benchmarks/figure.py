"""Figures: what was measured, beside its floor and its bar. Pure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Bar(StrEnum):
    """What a bar is laid on, and from which side."""

    VALUE_AT_MOST = "<="  # the value itself
    VALUE_AT_LEAST = ">="
    OVER_FLOOR_AT_MOST = "floor + <="  # the difference between value and floor
    RATIO_BELOW = "ratio <"  # value divided by floor
    RATIO_AT_MOST = "ratio <="


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table; `rounds` are the values that `value` is the median of."""

    name: str
    value: float
    unit: str
    floor: float | None = None
    floor_name: str = ""
    bar: Bar | None = None
    limit: float = 0.0
    rounds: Sequence[float] = field(default_factory=tuple[float, ...])

    @property
    def ratio(self) -> float | None:
        """The value over its floor."""
        return None if not self.floor else self.value / self.floor

    @property
    def ok(self) -> bool | None:
        """Whether the bar is held; None = there is none."""
        match self.bar:
            case None:
                return None
            case Bar.VALUE_AT_MOST:
                return self.value <= self.limit
            case Bar.VALUE_AT_LEAST:
                return self.value >= self.limit
            case Bar.OVER_FLOOR_AT_MOST:
                return self.value - (self.floor or 0.0) <= self.limit
            case Bar.RATIO_BELOW:
                return self.ratio is not None and self.ratio < self.limit
            case Bar.RATIO_AT_MOST:
                return self.ratio is not None and self.ratio <= self.limit


def median_of(
    name: str,
    rounds: Sequence[float],
    unit: str,
    *,
    floors: Sequence[float] = (),
    floor_name: str = "",
    bar: Bar | None = None,
    limit: float = 0.0,
) -> Figure:
    """Make the figure of several rounds, its floor measured in between."""
    return Figure(
        name=name,
        value=statistics.median(rounds),
        unit=unit,
        floor=statistics.median(floors) if floors else None,
        floor_name=floor_name,
        bar=bar,
        limit=limit,
        rounds=tuple(rounds),
    )
