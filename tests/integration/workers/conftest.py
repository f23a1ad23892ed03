"""A rig on a database of the test's own."""

from collections.abc import Generator

import pytest
from sqlalchemy import Engine

from tests.integration.workers.rig import Rig, open_rig


@pytest.fixture
def rig(engine: Engine, redis_url: str) -> Generator[Rig]:
    rig = open_rig(engine, redis_url)
    yield rig
    rig.close()
