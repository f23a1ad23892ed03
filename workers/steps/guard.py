"""Ends a stream that does not begin, or falls silent: two timers, one armed at a time."""

import asyncio
from dataclasses import dataclass

from shared.failures.kinds import ErrorKind, Failure, Preclassified
from workers.timers import Timer, TimerName, Timers


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a step waits for its provider, in seconds."""

    startup_seconds: float = 60.0
    silence_seconds: float = 300.0


class Guard:
    """Watches the task that reads a stream, and cancels it when nothing comes.

    Used on the loop, by the task itself. The silence timer is not moved at every part: it looks
    when it fires, and goes on for what is left.
    """

    def __init__(self, timers: Timers, patience: Patience, provider: str) -> None:
        """Take the clock, the limits, and whom to name in the failure."""
        self._timers = timers
        self._patience = patience
        self._provider = provider
        self._task: asyncio.Task[object] | None = None
        self._timer: Timer | None = None
        self._last = 0.0
        self._began = False
        self.fired: TimerName | None = None

    def open(self) -> None:
        """Arm the startup timer for the current task."""
        self._task = asyncio.current_task()
        self._last = self._timers.now()
        self._timer = self._timers.start(
            TimerName.STARTUP, self._patience.startup_seconds, self._startup_over
        )

    def part(self) -> None:
        """Note that a part came."""
        self._last = self._timers.now()
        if not self._began:
            self._began = True
            self._arm_silence(self._patience.silence_seconds)

    def close(self) -> None:
        """Disarm."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def failure(self) -> Preclassified:
        """Return what the timer that fired means."""
        kind = ErrorKind.TIMEOUT if self._began else ErrorKind.STARTUP_TIMEOUT
        failure = Failure(kind=kind, retryable=True, provider=self._provider)
        return Preclassified(failure)

    def _startup_over(self) -> None:
        self._fire(TimerName.STARTUP)

    def _silence_over(self) -> None:
        left = self._last + self._patience.silence_seconds - self._timers.now()
        if left > 0:
            self._arm_silence(left)
        else:
            self._fire(TimerName.SILENCE)

    def _arm_silence(self, seconds: float) -> None:
        self.close()
        self._timer = self._timers.start(TimerName.SILENCE, seconds, self._silence_over)

    def _fire(self, name: TimerName) -> None:
        self.fired = name
        if self._task is not None:
            self._task.cancel()
