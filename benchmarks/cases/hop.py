"""From the last byte of one answer to the request of the turn's next step."""

from collections.abc import Sequence

from benchmarks.bench import Bench
from benchmarks.cases.plans import HOPPING, HOPS
from benchmarks.figure import Bar, Figure, median_of
from benchmarks.floors.jobs import Commits, Noops
from benchmarks.helper import Helper
from benchmarks.load.jobs import Gaps, GapsDone
from benchmarks.spread import Spread

LIMIT_MS = 8.0


def measure(bench: Bench) -> Sequence[Figure]:
    """Measure hops beside what each consists of: a delivery, and two commits."""
    ours: list[GapsDone] = []
    noops: list[Spread] = []
    commits: list[Spread] = []
    with Helper("benchmarks.floors.noop", bench.redis_url):
        for _ in range(bench.size.rounds):
            noops.append(bench.floors.ask(_noops(bench), Spread))
            ours.append(bench.load.ask(_gaps(bench), GapsDone))
            commits.append(bench.floors.ask(_commits(bench), Spread))
    return [
        *(_hop(ours, noops, percent) for percent in (50, 99)),
        median_of("  insert and commit, p50", [x.at(50) for x in commits], "ms"),
    ]


def _hop(ours: Sequence[GapsDone], noops: Sequence[Spread], percent: int) -> Figure:
    return median_of(
        f"step hop, p{percent}",
        [done.gaps.at(percent) for done in ours],
        "ms",
        floors=[done.at(percent) for done in noops],
        floor_name="a Celery task that does nothing",
        bar=Bar.VALUE_AT_MOST if percent == 50 else None,
        limit=LIMIT_MS,
    )


def _gaps(bench: Bench) -> Gaps:
    return Gaps(request=bench.stack.turn(HOPPING.name), gaps=HOPS, turns=bench.size.hops)


def _noops(bench: Bench) -> Noops:
    return Noops(redis_url=bench.redis_url, count=bench.size.floors)


def _commits(bench: Bench) -> Commits:
    return Commits(database_url=bench.stack.running.database_url, count=bench.size.floors)
