"""Named timers of a step, so that a test can wait for one and let it fire."""

import asyncio
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol


class TimerName(StrEnum):
    """What a timer guards."""

    STARTUP = "startup"  # from the opening of the request to the first part
    SILENCE = "silence"  # between two parts
    TOOL = "tool"  # from the start of a tool to its end
    GRACE = "grace"  # from telling tools to stop to leaving them behind


class Timer(Protocol):
    """A running timer."""

    def cancel(self) -> None:
        """Stop it; harmless when it has fired."""
        ...


class Timers(Protocol):
    """Starts timers on the loop of the caller, and tells its time."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    def start(self, name: TimerName, seconds: float, fire: Callable[[], None]) -> Timer:
        """Call `fire` on the loop after `seconds`, unless cancelled before."""
        ...


class LoopTimers:
    """Timers of the running asyncio loop."""

    def now(self) -> float:
        """The monotonic clock: uvloop's own one stands still between two turns of the loop."""
        return time.monotonic()

    def start(self, name: TimerName, seconds: float, fire: Callable[[], None]) -> Timer:
        """Start a timer of the loop; the name is for tests and logs only."""
        del name
        return asyncio.get_running_loop().call_later(seconds, fire)
