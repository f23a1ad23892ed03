"""Servers that most of these tests need only as something to point at."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from local.postgres import Postgres
from local.valkey import Valkey


@pytest.fixture(scope="session")
def external(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables that name servers started by somebody else; starting none is faster."""
    folder = tmp_path_factory.mktemp("external")
    with Postgres(folder, fast=True) as postgres, Valkey(folder, fast=True) as valkey:
        yield {"DATABASE_URL": postgres.url, "REDIS_URL": valkey.url}


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A folder that every user of the machine may enter; pytest's own ones are closed."""
    with TemporaryDirectory(prefix="stepwell-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder
