"""Fixtures of journeys."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fakes.process import FakeModels
from tests.journeys.fleet import Fleet

MakeFleet = Callable[..., Fleet]


@pytest.fixture
def make_fleet(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[MakeFleet]:
    """Make a fleet on this test's own database; every process ends with the test."""
    with ExitStack() as stack:

        def make(**settings: str) -> Fleet:
            fleet = Fleet(database_url, redis_url, tmp_path, settings)
            return stack.enter_context(fleet)

        yield make


@pytest.fixture
def fleet(make_fleet: MakeFleet) -> Fleet:
    """One API and two worker processes with the scripted model."""
    return make_fleet().start(apis=1, workers=2)


@pytest.fixture(scope="session")
def fake_models() -> Iterator[FakeModels]:
    """A model server that speaks the real protocols."""
    with FakeModels() as models:
        yield models


def declare(folder: Path, models: FakeModels) -> Path:
    """Write a `stepwell.toml` whose only model is the fake server's; return its path."""
    path = folder / "stepwell.toml"
    path.write_text(
        "[providers.fake]\n"
        'dialect = "openai-chat"\n'
        f'base_url = "{models.openai_url}"\n'
        'api_key = "key"\n'
        "[models.fake]\n"
        'provider = "fake"\n'
    )
    return path
