"""Fixtures: one PostgreSQL and one Valkey a session, a database of its own for every test."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from psycopg import sql
from sqlalchemy import Engine

from local.postgres import Postgres
from local.valkey import Valkey
from shared.db.engine import make_engine
from shared.db.migrate import upgrade

_TEMPLATE = "stepwell_template"
_numbers = itertools.count(1)


def _with_driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def _with_name(url: str, name: str) -> str:
    return url.rsplit("/", 1)[0] + "/" + name


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A running PostgreSQL with a migrated template database."""
    with Postgres(_folder(tmp_path_factory, "postgres"), fast=True, max_connections=300) as server:
        _execute(server.url, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
        engine = make_engine(
            _with_driver(_with_name(server.url, _TEMPLATE)), pool_size=1, name="migrate"
        )
        upgrade(engine)
        engine.dispose()
        yield server


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A running Valkey."""
    with Valkey(_folder(tmp_path_factory, "valkey"), fast=True) as server:
        yield server


@pytest.fixture
def database_url(postgres: Postgres) -> Iterator[str]:
    """A freshly migrated, empty database of this test's own."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    names = {"new": sql.Identifier(name), "template": sql.Identifier(_TEMPLATE)}
    _execute(postgres.url, sql.SQL("CREATE DATABASE {new} TEMPLATE {template}").format(**names))
    yield _with_name(postgres.url, name)
    _execute(postgres.url, sql.SQL("DROP DATABASE {new} WITH (FORCE)").format(**names))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on this test's database."""
    engine = make_engine(_with_driver(database_url), pool_size=10, name="test")
    yield engine
    engine.dispose()


@pytest.fixture
def redis_url(valkey: Valkey) -> str:
    """The session's Valkey, emptied for this test."""
    # redis-py leaves the type of its own **kwargs open.
    with redis.Redis.from_url(valkey.url) as client:  # pyright: ignore[reportUnknownMemberType]
        client.flushall()  # pyright: ignore[reportUnknownMemberType]
    return valkey.url


def _folder(factory: pytest.TempPathFactory, name: str) -> Path:
    return factory.mktemp(name)


def _execute(url: str, statement: sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)
