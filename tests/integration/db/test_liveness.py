import select
from collections.abc import Iterator
from typing import cast

import psycopg
import pytest
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection

from shared.db.liveness import TRUST_SECONDS, check_liveness

WAIT_MS = 10_000


class Clock:
    """Stands until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(database_url: str, clock: Clock) -> Iterator[Engine]:
    """An engine that holds one connection, and opens a second one when that is in use."""
    url = database_url.replace("postgresql://", "postgresql+psycopg://", 1)
    engine = create_engine(url, pool_size=2, max_overflow=0)
    check_liveness(engine, clock=clock)
    pid(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def pings(engine: Engine) -> list[DBAPIConnection]:
    """What was pinged."""
    seen: list[DBAPIConnection] = []
    ping = engine.dialect.do_ping

    def counted(dbapi_connection: DBAPIConnection) -> bool:
        seen.append(dbapi_connection)
        return ping(dbapi_connection)

    engine.dialect.do_ping = counted
    return seen


def pid(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(text("SELECT pg_backend_pid()")).scalar_one()


def end_all(database_url: str) -> None:
    """End all other connections of the database, and wait until they are gone."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_a_connection_that_the_server_ended_is_replaced_unnoticed(
    engine: Engine, database_url: str
) -> None:
    before = pid(engine)
    end_all(database_url)
    assert pid(engine) != before


def test_one_dead_connection_is_enough_to_open_all_anew(engine: Engine, database_url: str) -> None:
    with engine.connect() as one, engine.connect() as other:
        before = {one.scalar(text("SELECT pg_backend_pid()")) for one in (one, other)}
    end_all(database_url)
    opened: list[object] = []

    def noted(connection: DBAPIConnection, _: object) -> None:
        opened.append(connection)

    event.listen(engine, "connect", noted)
    with engine.connect() as one, engine.connect() as other:
        after = {one.scalar(text("SELECT pg_backend_pid()")) for one in (one, other)}
    assert len(opened) == 2
    assert not before & after


def test_a_connection_that_was_just_used_is_not_asked(
    engine: Engine, pings: list[DBAPIConnection]
) -> None:
    pid(engine)
    assert pings == []


def test_a_connection_that_has_rested_is_asked(
    engine: Engine, clock: Clock, pings: list[DBAPIConnection]
) -> None:
    clock.now += TRUST_SECONDS
    pid(engine)
    assert len(pings) == 1


def test_a_connection_that_the_server_has_told_something_is_asked_and_kept(
    engine: Engine, database_url: str, pings: list[DBAPIConnection]
) -> None:
    with engine.connect() as connection:
        connection.execute(text("LISTEN news"))
        connection.commit()
        socket = cast(psycopg.Connection, connection.connection.driver_connection).fileno()
    before = pid(engine)
    pings.clear()
    with psycopg.connect(database_url, autocommit=True) as speaker:
        speaker.execute("NOTIFY news")
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    assert poll.poll(WAIT_MS)
    assert pid(engine) == before
    assert len(pings) == 1
