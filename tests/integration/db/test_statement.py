from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    PickleType,
    Table,
    Text,
    bindparam,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from shared.db.engine import make_engine
from shared.db.statement import Statement

SECRET = "what a person wrote"

things = Table(
    "things",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("said", Text, nullable=False),
    Column("more", JSONB(none_as_null=True)),
)


def bound(name: str) -> Any:
    return bindparam(name, type_=things.c[name].type)


ADD = Statement(insert(things).values({c.name: bound(c.name) for c in things.c}))
NEXT = Statement(insert(things).values(id=bound("id"), said=bound("said")).returning(things.c.id))
ALL = Statement(select(things).order_by(things.c.id))
ONE = Statement(select(things).where(things.c.id == bound("id"), things.c.said != "never"))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    url = database_url.replace("postgresql://", "postgresql+psycopg://", 1)
    engine = make_engine(url, pool_size=1, name="statement")
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """A transaction with an empty table of its own."""
    with engine.connect() as connection:
        things.create(connection)
        yield connection
        connection.rollback()


def thing(id_: int = 1, said: str = SECRET, more: object = None) -> dict[str, object]:
    return {"id": id_, "said": said, "more": more}


def test_what_was_written_is_read(connection: Connection) -> None:
    one, two = thing(1, more={"of": ["it", None]}), thing(2)
    ADD.run(connection, one)
    ADD.run(connection, two)

    assert ALL.all(connection, {}) == [one, two]
    assert ONE.first(connection, {"id": 2}) == two


def test_no_row_is_none(connection: Connection) -> None:
    assert ONE.first(connection, {"id": 7}) is None


def test_what_is_inserted_can_tell_of_itself(connection: Connection) -> None:
    assert NEXT.one(connection, {"id": 4, "said": "so"}) == {"id": 4}


def test_nothing_stored_is_null_and_not_json_of_it(connection: Connection) -> None:
    ADD.run(connection, thing(more=None))

    assert connection.execute(text("SELECT more IS NULL FROM things")).scalar_one()


def test_it_belongs_to_the_transaction(engine: Engine, connection: Connection) -> None:
    ADD.run(connection, thing())
    connection.rollback()

    # The table itself went with it.
    with pytest.raises(DBAPIError, match="things"):
        ALL.all(connection, {})


def test_a_refused_row_is_sqlalchemys_error_without_the_row(connection: Connection) -> None:
    ADD.run(connection, thing())

    with pytest.raises(IntegrityError) as raised:
        ADD.run(connection, thing())

    assert not raised.value.connection_invalidated
    assert isinstance(raised.value.orig, psycopg.errors.UniqueViolation)
    assert SECRET not in str(raised.value)


def test_a_lost_connection_is_told_and_replaced(engine: Engine, database_url: str) -> None:
    pid = Statement(select(func.pg_backend_pid(type_=Integer).label("pid")))
    with engine.connect() as connection:
        [lost] = connection.execute(text("SELECT pg_backend_pid()")).scalars()
        with psycopg.connect(database_url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 10000)", [lost])
        with pytest.raises(OperationalError) as raised:
            pid.first(connection, {})
        assert raised.value.connection_invalidated

    with engine.connect() as connection:
        [row] = pid.all(connection, {})
        assert row["pid"] != lost


def test_a_list_of_values_is_refused() -> None:
    with pytest.raises(TypeError, match="spell it out"):
        Statement(select(things).where(things.c.id.in_([1, 2])))


def test_a_column_that_sqlalchemy_converts_is_refused() -> None:
    odd = Table("odd", MetaData(), Column("id", PickleType()))
    with pytest.raises(TypeError, match="'id'"):
        Statement(select(odd))
