"""How long a client waits for the first part of an answer, alone and among others."""

from collections.abc import Sequence

from benchmarks.bench import Bench
from benchmarks.cases.plans import SHORT
from benchmarks.figure import Bar, Figure, median_of, milliseconds
from benchmarks.load.jobs import Request, Turns, TurnsDone

LIMITS_MS = {1: 8.0, 32: 120.0}


def measure(bench: Bench) -> Sequence[Figure]:
    """Measure alone and together."""
    alone = _measure(bench, 1, bench.size.turns_alone)
    return [*alone, *_measure(bench, bench.size.clients, bench.size.turns_together)]


def _measure(bench: Bench, clients: int, turns: int) -> list[Figure]:
    ours: list[TurnsDone] = []
    floors: list[TurnsDone] = []
    for _ in range(bench.size.rounds):
        floors.append(_run(bench, bench.direct(SHORT), clients, turns))
        ours.append(_run(bench, bench.stack.turn(SHORT.name), clients, turns))
    return [_figure(clients, percent, ours, floors) for percent in (50, 99)]


def _run(bench: Bench, request: Request, clients: int, turns: int) -> TurnsDone:
    job = Turns(request=request, pieces=SHORT.deltas, concurrency=clients, turns=turns)
    return bench.load.ask(job, TurnsDone)


def _figure(
    clients: int, percent: int, ours: Sequence[TurnsDone], floors: Sequence[TurnsDone]
) -> Figure:
    # One client: what we add. Many clients wait for each other, so that all of it counts.
    bar = Bar.OVER_FLOOR_AT_MOST if clients == 1 else Bar.VALUE_AT_MOST
    return median_of(
        f"first part, {_clients(clients)}, p{percent}",
        [milliseconds(done.first, percent) for done in ours],
        "ms",
        floors=[milliseconds(done.first, percent) for done in floors],
        floor_name="the model directly",
        bar=bar if percent == 50 else None,
        limit=LIMITS_MS.get(clients, LIMITS_MS[32]),
    )


def _clients(number: int) -> str:
    return "1 client" if number == 1 else f"{number} clients"
