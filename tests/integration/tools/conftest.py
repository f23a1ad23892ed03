"""A bench, and a rig, on a database of the test's own."""

import threading
from collections.abc import Iterator
from typing import Final

import pytest
from sqlalchemy import Engine

from tests.chats import Bench, open_bench
from tests.integration.workers.rig import Rig, open_rig

JOIN_SECONDS: Final = 10.0


@pytest.fixture
def bench(engine: Engine) -> Bench:
    """A machine with a live worker."""
    return open_bench(engine)


@pytest.fixture
def rig(engine: Engine, redis_url: str) -> Iterator[Rig]:
    """A process of one worker whose model does what the test says."""
    rig = open_rig(engine, redis_url)
    yield rig
    for thread in threading.enumerate():
        # Steps leave tools behind; here nobody does, for the database goes away.
        if thread.name.startswith("tool-"):
            thread.join(JOIN_SECONDS)
            assert not thread.is_alive()
    rig.close()
