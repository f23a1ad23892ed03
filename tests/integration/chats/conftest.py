"""A bench on a database of the test's own, or on one that all tests of a module share."""

import os
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine

from local.postgres import Postgres
from shared.db.engine import make_engine
from tests.chats import Bench, open_bench


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return open_bench(engine)


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


@pytest.fixture(scope="module")
def shared_bench(shared_engine: Engine) -> Bench:
    return open_bench(shared_engine)
