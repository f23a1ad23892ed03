"""Things that most of these tests need only as something to point at."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from local.databases.postgres import Postgres
from local.databases.valkey import Valkey


@pytest.fixture
def external(postgres: Postgres, valkey: Valkey) -> dict[str, str]:
    """The variables that name servers started by somebody else; starting none is faster."""
    return {"STEPWELL_DATABASE_URL": postgres.url, "STEPWELL_REDIS_URL": valkey.url}


@pytest.fixture(scope="package")
def _cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cluster")
    with Postgres(folder, fast=True):
        (folder / "postgres.port").unlink()
    return folder


@pytest.fixture
def used_path(_cluster: Path, tmp_path: Path) -> Path:
    """A state folder in which PostgreSQL has run before: making a cluster takes most of a start."""
    return shutil.copytree(_cluster, tmp_path / "state")


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A folder that every user of the machine may enter; pytest's own ones are closed."""
    with TemporaryDirectory(prefix="stepwell-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder
