"""One fake model server for all tests of a module."""

from collections.abc import Iterator

import pytest

from shared.config.dialect import Dialect
from tests.fakes.process import FakeModels
from tests.integration.providers.playing import Speaker


@pytest.fixture(scope="module")
def server() -> Iterator[FakeModels]:
    with FakeModels() as running:
        yield running


@pytest.fixture
def models(server: FakeModels) -> FakeModels:
    """The running server, with nothing remembered."""
    server.forget()
    return server


@pytest.fixture(params=[Dialect.OPENAI_CHAT, Dialect.ANTHROPIC])
def speaker(request: pytest.FixtureRequest, models: FakeModels) -> Speaker:
    """Each dialect in turn."""
    dialect = Dialect(request.param)
    url = models.anthropic_url if dialect is Dialect.ANTHROPIC else models.openai_url
    return Speaker(dialect, url)
