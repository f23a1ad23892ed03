"""Three quarters of a minute, of which random faults are half; `make chaos` has the long form."""

import random
from pathlib import Path

import pytest

from tests.chaos.conftest import BRISK
from tests.chaos.deployment import OwnSite
from tests.chaos.schedule import Storm, blow
from tests.chaos.test_restarts import CONNECTIONS, TENTH


@pytest.mark.timeout(300)
def test_nothing_is_lost_or_doubled_in_a_storm(site: OwnSite, tmp_path: Path) -> None:
    storm = Storm(
        seed=random.randrange(2**32),
        seconds=24,
        scale=TENTH,
        clients=25,
        connections=CONNECTIONS,
        manners=BRISK,
    )
    print(f"seed {storm.seed}")
    wrong = blow(site, storm, tmp_path, print)
    assert not wrong, "\n".join(wrong)
