"""A random schedule of faults under load: one seed, one order of faults, at much the same times."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from tests.chaos.check import check_clients
from tests.chaos.crowd import Crowd, Manners
from tests.chaos.deployment import Part, Site, frozen
from tests.chaos.fault import ALL, WORKER_INHERITED, Fault
from tests.chaos.leftovers import check_rest
from tests.chaos.person import Person, Scene

LONGEST_PAUSE_SECONDS = 20.0

ALSO_FROZEN = 0.35
"""How often something is frozen while something else fails."""

FROZEN_SECONDS = (1.0, 15.0)

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
    faults: tuple[Fault, ...] = ()
    """These, each once and in this order, instead of random ones for so many seconds."""


def blow(site: Site, storm: Storm, folder: Path, tell: Callable[[str], None]) -> list[str]:
    """Let it blow to its end, and return all that was wrong then."""
    dice = random.Random(storm.seed)
    began = time.monotonic()
    over = Event()
    freezing: list[Thread] = []

    def told(what: str) -> None:
        tell(f"{time.monotonic() - began:6.1f} s {what}")

    def more(client: Person, own: random.Random) -> Scene | None:
        done = client.scenes_begun >= SCENES or over.is_set()
        return None if done else own.choice(client.scenes())

    with Crowd(site.bases, site.fleet.key, folder, storm.manners) as crowd:
        crowd.come(storm.clients, more, random.Random(storm.seed), heirs=True)
        for fault in storm.faults or _drawn(dice, until=began + storm.seconds):
            # The pause is part of the schedule.
            time.sleep(dice.uniform(0.0, LONGEST_PAUSE_SECONDS * storm.scale))
            if not storm.faults and dice.random() < ALSO_FROZEN:
                freezing.append(_freeze(site, dice.choice([*Part]), dice, storm.scale, told))
            if crowd.complains():
                told("somebody was shown what is wrong")
                break
            told(fault.name)
            fault.happen(site, random.Random(dice.random()), scale=storm.scale)
        over.set()
        told("it blows over")
        for one in freezing:
            one.join()
        site.wait_until_whole()
        told("everything serves")
        crowd.wait()
        turns = sum(len(client.turns) for client in crowd.clients)
        told(f"{turns} turns of {len(crowd.clients)} chats have ended")
        wrong = [*crowd.failures, *check_clients(site.fleet, crowd.clients)]
        if not wrong:
            check_rest(site, connections=storm.connections)
            told("everything is at rest")
    return wrong


def _drawn(dice: random.Random, *, until: float) -> Iterator[Fault]:
    """Draw faults until this moment of the monotonic clock.

    Before each comes the only one that lets a worker write over its successor's answer, if it
    could: a third of a short storm goes by while PostgreSQL is away.
    """
    while time.monotonic() < until:
        yield WORKER_INHERITED
        if time.monotonic() < until:
            yield from dice.choices(ALL, [fault.weight for fault in ALL])


def _freeze(
    site: Site, part: Part, dice: random.Random, scale: float, told: Callable[[str], None]
) -> Thread:
    """Freeze a part for a while beside what else happens."""
    seconds = dice.uniform(*FROZEN_SECONDS) * scale
    told(f"{part} is frozen for {seconds:.1f} s, and meanwhile:")
    hold = frozen(site, part)
    hold.__enter__()

    def thaw() -> None:
        # It is the length that counts: what is frozen tells nothing that could be waited for.
        time.sleep(seconds)
        hold.__exit__(None, None, None)

    thread = Thread(target=thaw, name="freezing", daemon=True)
    thread.start()
    return thread
