"""The leases that this process holds: which step runs for which chat, and how to stop it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock

from shared.chats.machine import effects
from shared.chats.model.ids import ChatId, LeaseId


class CancelReason(StrEnum):
    """Why a step is told to stop."""

    INTERRUPTED = effects.INTERRUPTED  # a person stopped it: keep what was said
    FENCED = effects.FENCED  # the chat is somebody else's by now: keep nothing
    DRAIN = "drain"  # this process ends: give the chat back


@dataclass(slots=True, eq=False)
class Lease:
    """One step's hold on its chat. Safe between threads; the first reason stands."""

    chat_id: ChatId
    id: LeaseId
    confirmed: bool = False
    reason: CancelReason | None = None
    settling: bool = False
    _stop: Callable[[], None] | None = None
    _lock: Lock = field(default_factory=Lock)

    def cancel(self, reason: CancelReason) -> bool:
        """Stop what can be stopped of the step, now or as soon as it begins; False = known."""
        with self._lock:
            if self.reason is not None:
                return False
            self.reason = reason
            stop = self._stop
        if stop is not None:
            stop()
        return True

    def stoppable(self, stop: Callable[[], None]) -> CancelReason | None:
        """Have `stop` called at a cancellation from now on; if there was one, return it instead."""
        with self._lock:
            self.settling = False
            if self.reason is None:
                self._stop = stop
            return self.reason

    def unstoppable(self) -> None:
        """From here on a cancellation only leaves its reason: settling is never cancelled."""
        with self._lock:
            self._stop = None
            self.settling = True


class Leases:
    """The registry of a process. Safe between threads."""

    def __init__(self, *, slots: int) -> None:
        """Take how many steps this process runs at a time."""
        self._slots = slots
        self._lock = Lock()
        self._by_id: dict[LeaseId, Lease] = {}
        self._ended_by: CancelReason | None = None

    def open(self, chat_id: ChatId, lease_id: LeaseId) -> Lease:
        """Register a lease as tentative, before the transaction that may take it."""
        with self._lock:
            lease = Lease(chat_id=chat_id, id=lease_id, reason=self._ended_by)
            self._by_id[lease_id] = lease
        return lease

    def close(self, lease: Lease) -> None:
        """Forget a lease: its step has ended."""
        with self._lock:
            self._by_id.pop(lease.id, None)

    def find(self, lease_id: LeaseId) -> Lease | None:
        """Return a registered lease, tentative ones too."""
        with self._lock:
            return self._by_id.get(lease_id)

    def all(self) -> list[Lease]:
        """Return every registered lease."""
        with self._lock:
            return list(self._by_id.values())

    def confirmed(self) -> list[Lease]:
        """Return the leases whose begin has committed."""
        return [lease for lease in self.all() if lease.confirmed]

    def busy_slots(self) -> int:
        """Return how many steps are under way."""
        with self._lock:
            return len(self._by_id)

    def free_slots(self) -> int:
        """Return how many more steps this process could run."""
        return max(self._slots - self.busy_slots(), 0)

    def cancel_all(self, reason: CancelReason) -> None:
        """Stop every step, and every one that still begins: there is no going back."""
        with self._lock:
            self._ended_by = reason
        for lease in self.all():
            lease.cancel(reason)
