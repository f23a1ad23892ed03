"""Fixtures of journeys: a fleet that many share ends with the last journey, not with the run."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from local.databases.postgres import Postgres
from local.databases.valkey import Valkey
from tests.fakes.process import FakeModels
from tests.journeys.barriers import AT_COMMIT, Ambush
from tests.journeys.fleet import CALM, Fleet
from tests.journeys.providing import ONE_ATTEMPT, declare_providers
from tests.journeys.tooling import MAX_STEPS, declare_fakes, declare_tools, install_tools
from tests.servers import copied_database

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
def mortal_fleet(make_fleet: MakeFleet) -> Fleet:
    """A fleet of one API and two workers, whose processes the test may end."""
    return make_fleet().start(apis=1, workers=2)


@pytest.fixture(scope="package")
def fleet(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The fleet of all tests that leave its processes alive; it has the scripted model."""
    folder = tmp_path_factory.mktemp("fleet")
    with (
        copied_database(postgres) as database_url,
        Valkey(folder / "valkey", fast=True) as valkey,
        Fleet(database_url, valkey.url, folder, CALM) as fleet,
    ):
        yield fleet.start(apis=1, workers=2)


@pytest.fixture(scope="package")
def tool_fleet(
    postgres: Postgres, fake_models: FakeModels, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """The fleet of all tests that leave it alive and need the tools of `tests.journeys.kit`.

    It has those of a package as well, and the models of the fake server beside the scripted one.
    """
    folder = tmp_path_factory.mktemp("tool_fleet")
    config = declare_tools(folder)
    declare_fakes(config, fake_models)
    install_tools(folder)
    settings = {
        **CALM,
        "STEPWELL_CONFIG": str(config),
        "STEPWELL_MAX_STEPS": str(MAX_STEPS),
        "PYTHONPATH": str(folder),
    }
    with (
        copied_database(postgres) as database_url,
        Valkey(folder / "valkey", fast=True) as valkey,
        Fleet(database_url, valkey.url, folder, settings) as fleet,
    ):
        yield fleet.start(apis=1, workers=2)


@pytest.fixture
def mortal_tool_fleet(make_fleet: MakeFleet, tmp_path: Path) -> Fleet:
    """The same for one test, which may end its processes; they are not started yet."""
    return make_fleet(STEPWELL_CONFIG=str(declare_tools(tmp_path)))


@pytest.fixture(scope="package")
def doom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that names where the next worker of the doomed fleet dies, or is held."""
    return tmp_path_factory.mktemp("doom") / "point"


@pytest.fixture(scope="package")
def _doomed(
    postgres: Postgres, tmp_path_factory: pytest.TempPathFactory, doom: Path
) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("doomed")
    settings = {"STEPWELL_CONFIG": str(declare_tools(folder)), "DOOM": str(doom)}
    with (
        copied_database(postgres) as database_url,
        Valkey(folder / "valkey", fast=True) as valkey,
        Fleet(database_url, valkey.url, folder, settings) as fleet,
    ):
        fleet.worker_module = "tests.journeys.failpoint_worker"
        yield fleet.start(apis=1, workers=2)


@pytest.fixture
def doomed_fleet(_doomed: Fleet) -> Fleet:
    """A fleet with tools whose workers die, or are held, where `doom` says; there are two, one of
    which may just be starting."""
    for worker in [worker for worker in _doomed.workers if not worker.alive()]:
        _doomed.workers.remove(worker)
    while len(_doomed.workers) < 2:
        _doomed.spawn_worker({})
    return _doomed


@pytest.fixture(scope="package")
def ambush(doom: Path) -> Iterator[Ambush]:
    """What holds workers of the doomed fleet."""
    with Ambush(doom) as ambush:
        yield ambush


@pytest.fixture(scope="package")
def _pair(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("pair")
    with (
        copied_database(postgres) as database_url,
        Valkey(folder / "valkey", fast=True) as valkey,
        Fleet(database_url, valkey.url, folder) as fleet,
    ):
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(AT_COMMIT)
        yield fleet.start(apis=2, workers=1)


@pytest.fixture
def paired_fleet(_pair: Fleet) -> Fleet:
    """Two API processes, which a test may kill, and a worker; a test may hold their commits."""
    _pair.apis[:] = [api for api in _pair.apis if api.alive()]
    while len(_pair.apis) < 2:
        _pair.start_api()
    return _pair


@pytest.fixture(scope="package")
def fake_models() -> Iterator[FakeModels]:
    """A model server that speaks the real protocols."""
    with FakeModels() as models:
        yield models


@pytest.fixture(scope="package")
def provider_fleet(
    postgres: Postgres, fake_models: FakeModels, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """A fleet for the models of `tests.journeys.providing`, which tries everything once only."""
    folder = tmp_path_factory.mktemp("provider_fleet")
    settings = {
        "STEPWELL_CONFIG": str(declare_providers(folder, fake_models)),
        **ONE_ATTEMPT,
        **CALM,
    }
    with (
        copied_database(postgres) as database_url,
        Valkey(folder / "valkey", fast=True) as valkey,
        Fleet(database_url, valkey.url, folder, settings) as fleet,
    ):
        yield fleet.start(apis=1, workers=1)


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
