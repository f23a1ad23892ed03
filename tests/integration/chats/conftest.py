"""Benches: on one database for all tests of a module, or on one of the test's own."""

import os
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine

from local.databases.postgres import Postgres
from shared.db.engine import make_engine
from tests.chats import Bench, open_bench


@pytest.fixture(scope="module")
def shared_engine(postgres: Postgres, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A database for tests that keep to a chat of their own."""
    module = request.node.name.replace("/", "_").removesuffix(".py").rsplit(".", 1)[-1]
    name = f"shared_{os.getpid()}_{module}"[-60:]
    names = {"new": sql.Identifier(name), "old": sql.Identifier("stepwell_template")}
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {new} TEMPLATE {old}").format(**names))
    url = postgres.url.rsplit("/", 1)[0].replace("postgresql://", "postgresql+psycopg://", 1)
    engine = make_engine(f"{url}/{name}", pool_size=4, name="test")
    yield engine
    engine.dispose()
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {new} WITH (FORCE)").format(new=names["new"]))


@pytest.fixture
def bench(shared_engine: Engine) -> Bench:
    """A bench of the test's own on the database that its module shares."""
    return open_bench(shared_engine)


@pytest.fixture
def lone_bench(engine: Engine) -> Bench:
    """A bench on a database of the test's own: for rounds that see every chat there is."""
    return open_bench(engine)
