"""Which errors of the database pass, for the API and for the workers alike."""

from collections.abc import Callable

import psycopg
import pytest
import structlog
from psycopg import errors
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from api.problems import ProblemCode, problem_of
from shared.db.outage import is_outage
from workers.steps.settler import Settler


def _state(code: str) -> DBAPIError:
    return DBAPIError("UPDATE", {}, errors.lookup(code)("said"))


def _invalidated() -> DBAPIError:
    error = _state("42601")
    error.connection_invalidated = True
    return error


OUTAGES: dict[str, BaseException] = {
    "08006 connection_failure": _state("08006"),
    "25006 read_only_sql_transaction": _state("25006"),
    "25P03 idle_in_transaction_session_timeout": _state("25P03"),
    "40001 serialization_failure": _state("40001"),
    "40P01 deadlock_detected": _state("40P01"),
    "53100 disk_full": _state("53100"),
    "53300 too_many_connections": _state("53300"),
    "55000 object_not_in_prerequisite_state": _state("55000"),
    "55006 object_in_use": _state("55006"),
    "55P03 lock_not_available": _state("55P03"),
    "57014 query_canceled": _state("57014"),
    "57P01 admin_shutdown": _state("57P01"),
    "57P02 crash_shutdown": _state("57P02"),
    "57P03 cannot_connect_now": _state("57P03"),
    "58000 system_error": _state("58000"),
    "58030 io_error": _state("58030"),
    "nobody answered": OperationalError("s", {}, psycopg.OperationalError("refused")),
    "the connection is closed": InterfaceError("s", {}, psycopg.InterfaceError("closed")),
    "the connection broke, whatever it said": _invalidated(),
    "no connection is free": PoolTimeout("no connection is free"),
}

FAULTS: dict[str, BaseException] = {
    "22003 numeric_value_out_of_range": _state("22003"),
    "22P05 untranslatable_character": _state("22P05"),
    "23505 unique_violation": _state("23505"),
    "23514 check_violation": _state("23514"),
    "25P02 in_failed_sql_transaction": _state("25P02"),
    "28P01 invalid_password": _state("28P01"),
    "3D000 invalid_catalog_name": _state("3D000"),
    "42601 syntax_error": _state("42601"),
    "42703 undefined_column": _state("42703"),
    "XX000 internal_error": _state("XX000"),
    "the server was never asked": DBAPIError("s", {}, psycopg.DataError("no such type")),
    "no error of a database": ValueError("no"),
}


def _once_over(error: BaseException) -> Callable[[], str]:
    """Fail with the error, and do it the next time."""
    tries = iter([error])

    def act() -> str:
        for failing in tries:
            raise failing
        return "done"

    return act


def _settler() -> Settler:
    return Settler(
        machine=None,  # pyright: ignore[reportArgumentType]  # nothing here is settled
        outage_seconds=120,
        sleep=lambda _: None,
        clock=lambda: 0.0,
        log=structlog.stdlib.get_logger(),
    )


@pytest.mark.parametrize("name", OUTAGES)
def test_both_sides_wait_for_what_passes(name: str) -> None:
    error = OUTAGES[name]
    assert is_outage(error)
    assert isinstance(error, Exception)
    assert problem_of(error).code is ProblemCode.UNAVAILABLE
    assert _settler().insist(_once_over(error)) == "done"


@pytest.mark.parametrize("name", FAULTS)
def test_neither_side_repeats_what_does_not_get_better(name: str) -> None:
    error = FAULTS[name]
    assert not is_outage(error)
    assert isinstance(error, Exception)
    assert problem_of(error).code is ProblemCode.INTERNAL
    with pytest.raises(type(error)):
        _settler().insist(_once_over(error))
