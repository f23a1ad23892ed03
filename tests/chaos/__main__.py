"""`make chaos`: three minutes of random faults under the supervisor, with full-length times."""

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from shared.config.settings import read_settings
from tests.chaos.crowd import Manners
from tests.chaos.deployment import APIS, WORKERS
from tests.chaos.fault import RESTARTS
from tests.chaos.schedule import Storm, blow
from tests.chaos.supervised import SupervisedSite
from tests.fakes.process import FakeModels
from tests.journeys.tooling import declare_fakes, declare_tools

SUPERVISORS = 1
"""Of whom each keeps a connection, once it has marked a worker dead."""

PATIENT = Manners(pace_seconds=0.1, patience_seconds=300, silence_seconds=25)


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when all invariants hold."""
    parser = argparse.ArgumentParser(prog="make chaos ARGS=", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument(
        "--restarts", action="store_true", help="each restart once, at its full length"
    )
    asked = parser.parse_args(arguments)
    print(f"seed {asked.seed}", flush=True)
    nowhere = {
        "STEPWELL_DATABASE_URL": "postgresql://unused",
        "STEPWELL_REDIS_URL": "redis://unused",
    }
    settings = read_settings(nowhere)
    storm = Storm(
        seed=asked.seed,
        seconds=asked.seconds,
        scale=1.0,
        clients=asked.clients,
        connections=settings.wanted_connections(api=APIS, workers=WORKERS) + SUPERVISORS,
        manners=PATIENT,
        faults=RESTARTS if asked.restarts else (),
    )
    with tempfile.TemporaryDirectory(prefix="stepwell-chaos-") as name, FakeModels() as models:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL may run as another user and has to pass
        config = declare_tools(folder)
        declare_fakes(config, models)
        site = SupervisedSite(folder, config)
        try:
            wrong = blow(site, storm, folder, lambda line: print(line, flush=True))
        finally:
            site.stop()
    for line in wrong:
        print(line)
    print(f"seed {asked.seed}: {'something is wrong' if wrong else 'all invariants hold'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
