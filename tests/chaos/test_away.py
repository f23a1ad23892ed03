"""PostgreSQL is away while answers complete: none is thrown away, and no model is asked twice."""

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.check import check_clients
from tests.chaos.conftest import BRISK
from tests.chaos.crowd import Crowd
from tests.chaos.deployment import OwnSite, Part
from tests.chaos.leftovers import check_rest
from tests.chaos.person import Person, Scene
from tests.chaos.test_restarts import CONNECTIONS, asked_otherwise, count_deaths
from tests.fakes.process import FakeModels
from tests.journeys.fleet import eventually

CHATS = 25
WORDS = 120
"""Of an answer, at BRISK's pace: 2 to 5 s."""

WITH_TOOLS = 0.25

LENGTHS = [
    pytest.param(6.0, id="for 6 s"),
    pytest.param(60.0, id="for a minute", marks=pytest.mark.slow),
]


@pytest.fixture
def patient_crowd(site: OwnSite, tmp_path: Path) -> Iterator[Crowd]:
    """Nobody yet; those who come wait through the outage."""
    manners = replace(BRISK, patience_seconds=BRISK.patience_seconds + 60)
    with Crowd(site.bases, site.fleet.key, tmp_path, manners) as nobody:
        yield nobody


def one_answer(client: Person, dice: random.Random) -> Scene | None:
    """Let everybody ask once, some for what needs tools."""

    async def ask() -> None:
        await client.hear(await client.say(client.author.plain(words=WORDS)))

    if client.turns:
        return None
    return client.using_tools if dice.random() < WITH_TOOLS else ask


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seconds", LENGTHS)
def test_an_answer_that_is_complete_when_postgres_is_away_is_kept(
    site: OwnSite, patient_crowd: Crowd, fake_models: FakeModels, seconds: float
) -> None:
    crowd, deaths = patient_crowd, count_deaths(site)
    fake_models.forget()
    crowd.come(CHATS, one_answer, random.Random(0))
    eventually(
        lambda: sum(client.view.parts > 0 for client in crowd.clients) == CHATS, "all are answered"
    )
    gone = time.monotonic()
    site.kill(Part.POSTGRES, away_seconds=seconds)
    back = time.monotonic()
    crowd.wait()
    kept = [ask for ask in fake_models.asks() if ask.ended and gone < ask.ended < back]
    deaths = count_deaths(site) - deaths
    print(f"{len(kept)} answers were complete while it was away, {deaths} workers taken for dead")
    assert len(kept) >= CHATS // 2
    faults = [*crowd.failures, *check_clients(site.fleet, crowd.clients)]
    assert not faults, "\n".join(faults)
    assert deaths or not asked_otherwise(fake_models, crowd.clients), site.fleet.logs()
    check_rest(site, connections=CONNECTIONS)
