"""A served API: one for the tests of a module, or one of its own where a test breaks things."""

import itertools
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy import Engine

from api.auth.caller import KeyRole
from local.databases.postgres import Postgres
from local.databases.valkey import Valkey
from shared.config.settings import Settings
from shared.db.engine import make_engine
from shared.db.migrate import upgrade
from tests.integration.api.served import Api, Client, serve

_owners = itertools.count(1)
_numbers = itertools.count(1)


def make_settings(database_url: str, redis_url: str) -> Settings:
    """The default settings, with fewer connections."""
    return Settings(
        database_url=SecretStr(database_url), redis_url=SecretStr(redis_url), api_pool_size=8
    )


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Settings:
    """Settings for the databases of this test."""
    return make_settings(database_url, redis_url)


@pytest.fixture
def own_api(settings: Settings, engine: Engine) -> Iterator[Api]:
    """An API of this test's own."""
    with serve(settings, engine) as api:
        yield api


@pytest.fixture(scope="module")
def api(postgres: Postgres, valkey: Valkey) -> Iterator[Api]:
    """An API that the tests of a module share; each has owners of its own."""
    name = f"api_{next(_numbers)}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    settings = make_settings(postgres.url.rsplit("/", 1)[0] + "/" + name, valkey.url)
    engine = make_engine(settings.sqlalchemy_url, pool_size=4, name="test")
    upgrade(engine)
    with serve(settings, engine) as api:
        yield api
    engine.dispose()


@pytest.fixture
def alice(api: Api) -> Client:
    """A user whom no other test knows."""
    return api.caller(f"alice-{next(_owners)}")


@pytest.fixture
def bob(api: Api) -> Client:
    """Another such user."""
    return api.caller(f"bob-{next(_owners)}")


@pytest.fixture
def admin(api: Api) -> Client:
    """A client that may see everything."""
    return api.caller("root", KeyRole.ADMIN)
