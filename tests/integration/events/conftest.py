"""A Valkey that a test may kill."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.databases.valkey import Valkey


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey of this test's own, which forgets everything when it is killed."""
    with Valkey(tmp_path / "mortal", fast=True) as server:
        yield server
