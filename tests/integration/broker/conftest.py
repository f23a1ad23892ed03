"""A broker that a test may end and start again, a script that outlives it, worker processes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from local.databases.valkey import Valkey
from shared.broker.celery_app import make_app
from shared.broker.dispatcher import Dispatcher
from tests.integration.broker.workers import Script, WorkerProcess

StartWorker = Callable[..., WorkerProcess]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(tmp_path / "broker", fast=True) as server:
        yield server


@pytest.fixture(scope="package")
def script_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey(tmp_path_factory.mktemp("script"), fast=True) as server:
        yield server


@pytest.fixture
def script(script_server: Valkey) -> Iterator[Script]:
    with Script(script_server.url) as script:
        yield script


@pytest.fixture
def dispatcher(broker: Valkey) -> Iterator[Dispatcher]:
    dispatcher = Dispatcher(make_app(broker_url=broker.url))
    yield dispatcher
    dispatcher.close()


@pytest.fixture
def start_worker(broker: Valkey, script: Script) -> Iterator[StartWorker]:
    with ExitStack() as workers:

        def start(**options: object) -> WorkerProcess:
            return workers.enter_context(WorkerProcess(broker.url, script, **options))

        yield start
