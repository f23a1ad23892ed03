"""Tells an outage of PostgreSQL from a statement that was wrong: the one test for it."""

from typing import Final

import psycopg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

READ_ONLY: Final = "25006"
"""The SQLSTATE of a server that takes no writes: a standby, during or after a failover."""

PASSING: Final = (
    "08",  # the connection failed
    READ_ONLY,
    "25P03",  # we were stopped inside a transaction, until the server ended that
    "40",  # rolled back, for a deadlock or a conflict
    "53",  # out of connections, memory or disk
    "55",  # a lock not had in time, a database closed or in use by who maintains it
    "57",  # stopped by an operator: shutdown, restart, cancelled, timed out
    "58",  # the server's machine failed it: I/O, a missing file
)
"""SQLSTATE classes, and two codes, that mean "not now" rather than "not so"."""


def is_outage(error: BaseException) -> bool:
    """Say whether the database was away or busy, as opposed to asked something wrong.

    What is an outage is worth repeating; a caller is told to come again.
    """
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    state = error.orig.sqlstate if isinstance(error.orig, psycopg.Error) else None
    if state is None:
        # The server said nothing: there was no connection to say it on, or it was never asked.
        return isinstance(error, OperationalError | InterfaceError)
    return state.startswith(PASSING)
