"""Everything is restarted, one after the other, under many chats in flight: nothing is lost."""

import random
from collections import Counter
from collections.abc import Sequence

import pytest

from tests.chaos.check import check_clients
from tests.chaos.client import Client
from tests.chaos.crowd import Crowd
from tests.chaos.deployment import OwnSite
from tests.chaos.fault import EVERYTHING, RESTARTS, WORKERS_KILLED, Fault
from tests.chaos.leftovers import check_rest
from tests.chaos.person import Person, Scene
from tests.fakes.process import FakeModels
from tests.journeys.fleet import eventually

CHATS = [
    pytest.param(25, id="under 25 chats"),
    pytest.param(50, id="under 50 chats", marks=pytest.mark.slow),
]

BEGUN_SHARE = 3
"""One in so many has begun when it happens: some answer, some are just coming."""

TENTH = 0.1

CONNECTIONS = 2 * (8 + 8 + 1) + 2 * (4 + 1)
"""What two API processes and two workers may open, by the settings of `tests.journeys.fleet`."""


KILLING_WORKERS = (WORKERS_KILLED, EVERYTHING)


def one_scene(client: Person, dice: random.Random) -> Scene | None:
    """Give everybody one thing to do."""
    return None if client.turns else dice.choice(client.scenes())


@pytest.mark.parametrize("chats", CHATS)
@pytest.mark.parametrize("fault", RESTARTS, ids=lambda fault: fault.name)
def test_no_turn_is_lost_or_doubled_when(
    site: OwnSite, crowd: Crowd, fake_models: FakeModels, fault: Fault, chats: int
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    deaths = count_deaths(site)
    fake_models.forget()
    crowd.come(chats, one_scene, dice)
    eventually(
        lambda: sum(client.view.parts > 0 for client in crowd.clients) >= chats // BEGUN_SHARE,
        "the chats are in flight",
    )
    fault.happen(site, dice, scale=TENTH)
    crowd.wait()
    faults = [*crowd.failures, *check_clients(site.fleet, crowd.clients)]
    assert not faults, "\n".join(faults)
    if fault not in KILLING_WORKERS:
        deaths = count_deaths(site) - deaths
        assert deaths or not asked_otherwise(fake_models, crowd.clients), site.fleet.logs()
    check_rest(site, connections=CONNECTIONS)


def count_deaths(site: OwnSite) -> int:
    """How many workers that live were declared dead, as a busy machine can make it happen."""
    return site.fleet.logs().count("renewal.declared_dead")


def asked_otherwise(models: FakeModels, clients: Sequence[Client]) -> list[str]:
    """Return whose answers were thrown away and asked for again, or not asked for."""
    asked = Counter((ask.text, ask.answers) for ask in models.asks())
    return [
        f"turn {turn.id}: answer {number} was asked for {times} times"
        for client in clients
        for turn in client.turns
        if not turn.disturbed
        for number in range(max(turn.line.rounds, 1))
        if (times := asked[turn.line.content, number]) != turn.line.asks
    ]
