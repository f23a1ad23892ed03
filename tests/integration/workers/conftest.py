"""Parts of a worker on a database of the test's own."""

from collections.abc import Generator

import pytest
from redis import Redis
from sqlalchemy import Engine

from shared.db.engine import make_engine
from shared.redis.connection import open_redis
from tests.chats import open_bench
from tests.integration.workers.rig import Rig, open_rig
from tests.integration.workers.watch import Watch, open_watch


@pytest.fixture
def rig(engine: Engine, redis_url: str) -> Generator[Rig]:
    rig = open_rig(engine, redis_url)
    yield rig
    rig.close()


@pytest.fixture
def redis(redis_url: str) -> Generator[Redis]:
    with open_redis(redis_url) as client:
        yield client


@pytest.fixture
def own_engine(engine: Engine) -> Generator[Engine]:
    """The renewal's own pool of one."""
    own = make_engine(engine.url.render_as_string(hide_password=False), pool_size=1, name="renewal")
    yield own
    own.dispose()


@pytest.fixture
def watch(engine: Engine, own_engine: Engine, redis: Redis) -> Generator[Watch]:
    watch = open_watch(open_bench(engine), own_engine, redis)
    yield watch
    watch.close()
