"""Fixtures: one PostgreSQL and one Valkey a session, a database of its own for every test."""

import itertools
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis
from psycopg import sql
from sqlalchemy import Engine

import api.tables
import shared.chats.store.tables
import shared.tools.tables
from local.databases.postgres import Postgres
from local.databases.valkey import Valkey
from shared.db.base import metadata
from shared.db.engine import make_engine
from shared.db.migrate import upgrade

_TEMPLATE = "stepwell_template"
_numbers = itertools.count(1)

assert api.tables.metadata is shared.chats.store.tables.metadata is metadata
assert shared.tools.tables.metadata is metadata  # all tables are known


def _with_driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def _with_name(url: str, name: str) -> str:
    return url.rsplit("/", 1)[0] + "/" + name


def migrate(url: str) -> None:
    """Give a database our tables."""
    engine = make_engine(_with_driver(url), pool_size=1, name="migrate")
    upgrade(engine)
    engine.dispose()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A running PostgreSQL with a migrated template database."""
    with Postgres(_folder(tmp_path_factory, "postgres"), fast=True, max_connections=300) as server:
        _execute(server.url, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
        migrate(_with_name(server.url, _TEMPLATE))
        yield server


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A running Valkey."""
    with Valkey(_folder(tmp_path_factory, "valkey"), fast=True) as server:
        yield server


@pytest.fixture(scope="session")
def _spare_databases() -> list[str]:
    """Names of databases that are migrated, empty and nobody's at the moment."""
    return []


@pytest.fixture
def database_url(postgres: Postgres, _spare_databases: list[str]) -> Iterator[str]:
    """A migrated, empty database of this test's own.

    Emptied and used again: a copy of the template takes eight times as long (624 against 79 ms
    on a busy machine), and dropping one waits for a checkpoint.
    """
    name = _spare_databases.pop() if _spare_databases else _copy_template(postgres)
    url = _with_name(postgres.url, name)
    yield url
    if _empty(url):
        _spare_databases.append(name)
    else:
        _drop(postgres, name)


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


@contextmanager
def copied_database(postgres: Postgres) -> Generator[str]:
    """A copy of the template for longer than a test; gives its URL."""
    name = _copy_template(postgres)
    yield _with_name(postgres.url, name)
    _drop(postgres, name)


def _copy_template(postgres: Postgres) -> str:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    names = {"new": sql.Identifier(name), "template": sql.Identifier(_TEMPLATE)}
    _execute(postgres.url, sql.SQL("CREATE DATABASE {new} TEMPLATE {template}").format(**names))
    return name


def _drop(postgres: Postgres, name: str) -> None:
    _execute(postgres.url, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _empty(url: str) -> bool:
    """Remove every row; False = the test has changed the schema."""
    with psycopg.connect(url, autocommit=True) as connection:
        # Whoever was left behind by the test must not hold a lock, or write later on.
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        names = {name for (name,) in rows}
        if names != {*metadata.tables, "alembic_version"}:
            return False
        tables = sql.SQL(", ").join(sql.Identifier(name) for name in metadata.tables)
        connection.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY").format(tables))
        return True


def _folder(factory: pytest.TempPathFactory, name: str) -> Path:
    return factory.mktemp(name)


def _execute(url: str, statement: sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)
