"""Finds connections that are dead before they are used, and asks the server only in doubt."""

import select
import time
from collections.abc import Callable
from typing import Final, cast

import psycopg
from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

TRUST_SECONDS: Final = 1.0
"""How long after its last use a connection needs no ping.

A ping is a round trip before every transaction: with the statements of a step it is one in six.
"""

_RETURNED_AT: Final = "returned_at"


def check_liveness(engine: Engine, *, clock: Callable[[], float] = time.monotonic) -> None:
    """Replace dead connections of the engine's pool, all of them once one is found.

    A server that ends a connection, by whatever end of its own, leaves something to read in the
    socket. Only one that vanishes without a word is found no sooner than by a ping.
    """

    def returned(_: object, entry: ConnectionPoolEntry) -> None:
        entry.info[_RETURNED_AT] = clock()

    def taken(
        connection: psycopg.Connection, entry: ConnectionPoolEntry, _: PoolProxiedConnection
    ) -> None:
        returned_at: float | None = entry.info.get(_RETURNED_AT)
        if returned_at is None:
            return  # just opened
        trusted = clock() - returned_at < TRUST_SECONDS
        if not (trusted and _is_silent(connection)) and not _answers(engine, connection):
            raise InvalidatePoolError

    event.listen(engine, "checkin", returned)
    event.listen(engine, "checkout", taken)


def _is_silent(connection: psycopg.Connection) -> bool:
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)


def _answers(engine: Engine, connection: psycopg.Connection) -> bool:
    try:
        # What `pool_pre_ping` would do at every checkout.
        return engine.dialect.do_ping(cast(DBAPIConnection, connection))
    except psycopg.Error:
        return False
