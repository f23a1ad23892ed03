"""A random schedule of faults under load: one seed, one order of faults, at much the same times."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.check import check_clients
from tests.chaos.client import Client
from tests.chaos.crowd import Crowd, Manners, Scene
from tests.chaos.fault import ALL
from tests.chaos.rest import check_rest
from tests.chaos.site import Site

LONGEST_PAUSE_SECONDS = 20.0

SCENES = 5
"""In one chat: fewer than 50 messages, all of which follow a `history_reset`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """How hard and how long it blows; `scale` is that of the fleet's times, 0.1 or 1."""

    seed: int
    seconds: float
    scale: float
    clients: int
    connections: int
    manners: Manners


def blow(site: Site, storm: Storm, folder: Path, tell: Callable[[str], None]) -> list[str]:
    """Let it blow to its end, and return all that was wrong then."""
    dice = random.Random(storm.seed)
    began = time.monotonic()
    ends = began + storm.seconds
    blown: list[str] = []

    def more(client: Client, own: random.Random) -> Scene | None:
        done = client.scenes_begun >= SCENES or time.monotonic() >= ends
        return None if done else own.choice(client.scenes())

    with Crowd(site.bases, site.fleet.key, folder, storm.manners) as crowd:
        crowd.come(storm.clients, more, random.Random(storm.seed), heirs=True)
        while time.monotonic() < ends:
            # The pause is part of the schedule.
            time.sleep(dice.uniform(0.0, LONGEST_PAUSE_SECONDS * storm.scale))
            [fault] = dice.choices(ALL, [fault.weight for fault in ALL])
            blown.append(f"{time.monotonic() - began:6.1f} s {fault}")
            tell(blown[-1])
            fault.happen(site, random.Random(dice.random()), scale=storm.scale)
        crowd.wait()
        turns = sum(len(client.turns) for client in crowd.clients)
        tell(f"{time.monotonic() - began:6.1f} s {turns} turns of {len(crowd.clients)} chats ended")
        wrong = [*crowd.failures, *check_clients(site.fleet, crowd.clients)]
        if not wrong:
            check_rest(site, connections=storm.connections)
    return wrong
