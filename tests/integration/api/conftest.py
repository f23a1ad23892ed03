"""A served API on the databases of the test."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from shared.config.settings import Settings
from tests.integration.api.served import Api, Client, serve


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Settings:
    """The default settings, on the databases of the test."""
    return Settings(
        database_url=SecretStr(database_url), redis_url=SecretStr(redis_url), api_pool_size=8
    )


@pytest.fixture
def api(settings: Settings, engine: Engine) -> Iterator[Api]:
    """A running API."""
    with serve(settings, engine) as api:
        yield api


@pytest.fixture
def alice(api: Api) -> Client:
    """A client with the key of a user."""
    return api.caller("alice")
