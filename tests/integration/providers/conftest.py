"""One fake model server for all tests of a module."""

from collections.abc import Iterator

import pytest

from tests.fakes.process import FakeModels


@pytest.fixture(scope="module")
def server() -> Iterator[FakeModels]:
    with FakeModels() as running:
        yield running


@pytest.fixture
def models(server: FakeModels) -> FakeModels:
    """The running server, with nothing remembered."""
    server.forget()
    return server
