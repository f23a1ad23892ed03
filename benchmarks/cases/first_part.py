"""How long a client waits for the first part of an answer, alone and among others."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.bench import Bench
from benchmarks.cases.plans import SHORT, SPOKEN
from benchmarks.figure import Bar, Figure, median_of
from benchmarks.load.jobs import Request, Turns, TurnsDone
from benchmarks.model.answer import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """So many clients, each asking again when it has its answer."""

    clients: int
    turns: int
    plan: Plan
    bar: Bar
    limit_ms: float


def measure(bench: Bench) -> Sequence[Figure]:
    """Measure alone and together."""
    size = bench.size
    alone = Crowd(
        clients=1,
        turns=size.turns_alone,
        plan=SHORT,
        bar=Bar.OVER_FLOOR_AT_MOST,
        limit_ms=8.0,
    )
    together = Crowd(
        clients=size.clients,
        turns=size.turns_together,
        plan=SPOKEN,
        bar=Bar.VALUE_AT_MOST,
        limit_ms=120.0,
    )
    return [figure for crowd in (alone, together) for figure in _measure(bench, crowd)]


def _measure(bench: Bench, crowd: Crowd) -> list[Figure]:
    ours: list[TurnsDone] = []
    floors: list[TurnsDone] = []
    for _ in range(bench.size.rounds):
        floors.append(_run(bench, bench.direct(crowd.plan), crowd))
        ours.append(_run(bench, bench.stack.turn(crowd.plan.name), crowd))
    return [_figure(crowd, percent, ours, floors) for percent in (50, 99)]


def _run(bench: Bench, request: Request, crowd: Crowd) -> TurnsDone:
    job = Turns(
        request=request,
        pieces=crowd.plan.deltas,
        concurrency=crowd.clients,
        turns=crowd.turns,
    )
    return bench.load.ask(job, TurnsDone)


def _figure(
    crowd: Crowd, percent: int, ours: Sequence[TurnsDone], floors: Sequence[TurnsDone]
) -> Figure:
    clients = "1 client" if crowd.clients == 1 else f"{crowd.clients} clients"
    return median_of(
        f"first part, {clients}, p{percent}",
        [done.first.at(percent) for done in ours],
        "ms",
        floors=[done.first.at(percent) for done in floors],
        floor_name="the model directly",
        bar=crowd.bar if percent == 50 else None,
        limit=crowd.limit_ms,
    )
