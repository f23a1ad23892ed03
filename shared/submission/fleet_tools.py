"""Which built-in tools chats may name: what the workers of the fleet have published."""

import threading
from collections.abc import Callable, Collection
from typing import Final

from sqlalchemy import Engine

from shared.tools.published import list_published

TRUST_SECONDS: Final = 5.0
"""How long what was read is believed: tools change when workers start."""


class FleetTools:
    """Knows the names. Safe between threads; reads the database now and then."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        """Take a monotonic clock in seconds."""
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()
        self._names: frozenset[str] = frozenset()
        self._read_at: float | None = None

    def names(self, *, including: Collection[str]) -> frozenset[str]:
        """Return the names, read again where one of `including` is not known: it may be new."""
        with self._lock:
            names, read_at = self._names, self._read_at
        is_old = read_at is None or self._clock() - read_at > TRUST_SECONDS
        return self._read() if is_old or not names.issuperset(including) else names

    def _read(self) -> frozenset[str]:
        with self._engine.connect() as connection:
            names = frozenset(tool.name for tool in list_published(connection))
        with self._lock:
            self._names, self._read_at = names, self._clock()
        return names
