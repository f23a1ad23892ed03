"""Turns the `Authorization` header into a caller, with a memory of a few seconds."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from sqlalchemy import Engine

from api.auth import keys
from api.auth.caller import Caller
from api.auth.errors import Unauthenticated
from api.auth.secret import Proof, is_secret, prove

TRUST_SECONDS: Final = 2.0
"""How long an answer of the database is believed; a revoked key is refused after this."""
_KEPT: Final = 10_000


class Authenticator:
    """Knows the callers. Safe between threads; `known` never waits, `ask` asks the database."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        """Take a monotonic clock in seconds."""
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()
        self._callers: OrderedDict[Proof, tuple[float, Caller]] = OrderedDict()

    def known(self, proof: Proof) -> Caller | None:
        """Return the caller of a key that was asked for a moment ago."""
        with self._lock:
            found = self._callers.get(proof)
        if found is None or found[0] <= self._clock():
            return None
        return found[1]

    def ask(self, proof: Proof) -> Caller:
        """Return the caller of a key, by the database. Raise `Unauthenticated`."""
        asked_at = self._clock()
        with self._engine.connect() as connection:
            found = keys.find_live(connection, proof)
            if found is not None and found.use_is_old:
                keys.note_use(connection, found.caller.key_id)
                connection.commit()
        if found is None:
            raise Unauthenticated
        self._remember(asked_at, found.caller)
        return found.caller

    def confirm(self, caller: Caller) -> None:
        """Raise `Unauthenticated` if the caller's key counts no more: for answers that last."""
        if self.known(caller.proof) is None:
            self.ask(caller.proof)

    def _remember(self, asked_at: float, caller: Caller) -> None:
        with self._lock:
            self._callers[caller.proof] = (asked_at + TRUST_SECONDS, caller)
            self._callers.move_to_end(caller.proof)
            while len(self._callers) > _KEPT:
                self._callers.popitem(last=False)


def bearer(header: str | None) -> Proof:
    """Return the proof of the key in an `Authorization` header. Raise `Unauthenticated`."""
    scheme, _, secret = (header or "").partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not is_secret(secret):
        raise Unauthenticated
    return prove(secret)
