"""What a running tool is told about its call, and how it learns that it shall stop."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event, Lock
from uuid import UUID


class Cancellation:
    """Says once, from any thread, that a call is no longer wanted."""

    def __init__(self) -> None:
        """Start uncancelled."""
        self._event = Event()
        self._lock = Lock()
        self._callbacks: list[Callable[[], None]] = []

    @property
    def cancelled(self) -> bool:
        """Whether the call is no longer wanted."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep that long, or until the call is no longer wanted; say whether that is so."""
        return self._event.wait(seconds)

    def cancel(self) -> None:
        """Say it."""
        with self._lock:
            self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Have `callback` called, in whatever thread cancels; at once if that has happened."""
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(callback)
                return
        callback()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """The call that a tool runs for. A parameter of this type is filled in, not shown to models.

    `idempotency_key` is the same whenever the same call runs again. `deadline` is when the tool is
    given up. An asynchronous tool is cancelled as any task is; a synchronous one should look at
    `cancelled`, or sleep with `wait`, if it takes long.
    """

    chat_id: UUID
    turn_id: UUID | None
    owner: str
    labels: Mapping[str, str]
    deadline: datetime
    idempotency_key: str
    cancellation: Cancellation = field(default_factory=Cancellation)

    @property
    def cancelled(self) -> bool:
        """Whether the call is no longer wanted."""
        return self.cancellation.cancelled

    def wait(self, seconds: float) -> bool:
        """Sleep that long, or until the call is no longer wanted; say whether that is so."""
        return self.cancellation.wait(seconds)
