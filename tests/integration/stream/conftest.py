"""A served API and a chat in its database, whose moves are published."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr
from sqlalchemy import Engine
from uuid_utils.compat import uuid7

from local.databases.valkey import Valkey
from shared.chats.machine.effects import Effects
from shared.chats.machine.limits import Limits
from shared.chats.machine.machine import ChatMachine
from shared.config.settings import Settings
from shared.events.publisher import Publisher
from shared.metrics.metrics import Metrics
from shared.redis.connection import open_redis
from tests.chats import Recorder
from tests.integration.api.served import Api, Client, serve
from tests.integration.stream.driving import Driven, drive
from tests.integration.stream.following import Speaker


@pytest.fixture
def stream_settings(database_url: str, redis_url: str) -> Settings:
    """Settings under which only notifications bring news."""
    return Settings(
        database_url=SecretStr(database_url),
        redis_url=SecretStr(redis_url),
        api_pool_size=4,
        stream_pool_size=4,
        stream_compare_seconds=3600,
    )


@pytest.fixture
def api(stream_settings: Settings, engine: Engine) -> Iterator[Api]:
    """An API of this test's own."""
    with serve(stream_settings, engine) as api:
        yield api


@pytest.fixture
def alice(api: Api) -> Client:
    """The owner of the chat."""
    return api.caller("alice")


@pytest.fixture
def machine(engine: Engine, stream_settings: Settings) -> Iterator[ChatMachine]:
    """A machine whose hints are published."""
    publisher = Publisher(open_redis(stream_settings.redis_url.get_secret_value()))
    effects = Effects(
        dispatcher=Recorder(),
        notifier=publisher,
        metrics=Metrics.noop(),
        providers={},
        log=structlog.stdlib.get_logger(),
    )
    yield ChatMachine(engine=engine, effects=effects, limits=Limits(), new_id=uuid7)
    publisher.close()


@pytest.fixture
def chat(engine: Engine, machine: ChatMachine) -> Driven:
    """A chat of alice's that waits for a worker."""
    return drive(engine, machine)


@pytest.fixture
def speaker(stream_settings: Settings) -> Iterator[Speaker]:
    """Somebody who streams."""
    with Speaker(stream_settings.redis_url.get_secret_value()) as speaker:
        yield speaker


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey of this test's own, which forgets everything when it is killed."""
    with Valkey(tmp_path / "mortal", fast=True) as server:
        yield server
