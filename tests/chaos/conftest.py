"""Fixtures: a site that tests may take apart, and the people who use it meanwhile."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.crowd import Crowd, Manners
from tests.chaos.deployment import OwnSite, own_site
from tests.fakes.process import FakeModels
from tests.journeys.tooling import declare_fakes, declare_tools

BRISK = Manners(pace_seconds=0.03, patience_seconds=60, silence_seconds=4)
"""For a fleet whose times are at a tenth."""


@pytest.fixture(scope="session")
def fake_models() -> Iterator[FakeModels]:
    """A model server that says which request it answers."""
    with FakeModels() as models:
        yield models


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, fake_models: FakeModels) -> Iterator[OwnSite]:
    """The site of all tests here; each leaves it running."""

    def declare(folder: Path) -> Path:
        path = declare_tools(folder)
        declare_fakes(path, fake_models)
        return path

    with own_site(tmp_path_factory.mktemp("site"), declare) as started:
        yield started


@pytest.fixture
def crowd(site: OwnSite, tmp_path: Path) -> Iterator[Crowd]:
    """Nobody yet."""
    with Crowd(site.bases, site.fleet.key, tmp_path, BRISK) as nobody:
        yield nobody
