"""Turns a second of 100 deltas, and what CPU time each costs in which process."""

import statistics
from collections.abc import Mapping, Sequence

from benchmarks.bench import Bench
from benchmarks.cases.plans import HUNDRED
from benchmarks.figure import Bar, Figure, median_of
from benchmarks.load.jobs import Request, Turns, TurnsDone

TURNS_A_SECOND = 80.0


def measure(bench: Bench) -> Sequence[Figure]:
    """Measure the rate, and the CPU time beside it."""
    ours: list[TurnsDone] = []
    floors: list[TurnsDone] = []
    used: list[Mapping[str, float]] = []
    for _ in range(bench.size.rounds):
        floors.append(_run(bench, bench.direct(HUNDRED)))
        before = bench.parts.cpu()
        ours.append(_run(bench, bench.stack.turn(HUNDRED.name)))
        used.append(bench.parts.cpu().since(before))
    clients = bench.size.clients
    return [
        median_of(
            f"turns of {HUNDRED.deltas} deltas, {clients} clients",
            [_rate(done) for done in ours],
            "/s",
            floors=[_rate(done) for done in floors],
            floor_name="the model directly",
            bar=Bar.VALUE_AT_LEAST,
            limit=TURNS_A_SECOND,
        ),
        median_of("  first part meanwhile, p50", [done.first.p50 for done in ours], "ms"),
        _lost(ours),
        *_cpu(used, bench.size.turns_together),
    ]


def _run(bench: Bench, request: Request) -> TurnsDone:
    job = Turns(
        request=request,
        pieces=HUNDRED.deltas,
        concurrency=bench.size.clients,
        turns=bench.size.turns_together,
    )
    return bench.load.ask(job, TurnsDone)


def _rate(done: TurnsDone) -> float:
    return done.per_second


def _lost(ours: Sequence[TurnsDone]) -> Figure:
    return Figure(
        name="  deltas lost",
        value=sum(done.lost for done in ours),
        unit="",
        bar=Bar.VALUE_AT_MOST,
    )


def _cpu(used: Sequence[Mapping[str, float]], turns: int) -> list[Figure]:
    """Return the CPU time of a turn, by process and in all."""
    by_part = {name: [one[name] * 1000 / turns for one in used] for name in used[0]}
    whole = [sum(one.values()) * 1000 / turns for one in used]
    figures = [Figure(name="  CPU of a turn", value=statistics.median(whole), unit="ms")]
    for name, rounds in sorted(by_part.items()):
        figures.append(median_of(f"    {name}", rounds, "ms"))
    return figures
