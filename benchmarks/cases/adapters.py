"""What a streamed delta costs our adapters, beside the official clients' typed streams."""

from collections.abc import Sequence

from benchmarks.adapters.jobs import Cost, Read, Reader
from benchmarks.bench import Bench
from benchmarks.cases.plans import LONG
from benchmarks.figure import Bar, Figure, median_of
from benchmarks.helper import Helper

PAIRS = {
    "chat completions": (Reader.OURS_OPENAI, Reader.OFFICIAL_OPENAI),
    "messages": (Reader.OURS_ANTHROPIC, Reader.OFFICIAL_ANTHROPIC),
}
RATIO = 1 / 3
WARM_UP = 1
MIN_ROUNDS = 3


def measure(bench: Bench) -> Sequence[Figure]:
    """Measure both dialects."""
    with Helper("benchmarks.adapters", str(bench.model_port)) as adapters:
        for reader in Reader:
            adapters.ask(Read(reader=reader, model=LONG.name, streams=WARM_UP), Cost)
        return [_pair(bench, adapters, name) for name in PAIRS]


def _pair(bench: Bench, adapters: Helper, name: str) -> Figure:
    ours, official = PAIRS[name]
    costs: list[float] = []
    floors: list[float] = []
    for _ in range(max(bench.size.rounds, MIN_ROUNDS)):
        floors.append(_cost(bench, adapters, official))
        costs.append(_cost(bench, adapters, ours))
    return median_of(
        f"CPU of a delta, {name}",
        costs,
        "µs",
        floors=floors,
        floor_name="the official client's typed stream",
        bar=Bar.RATIO_AT_MOST,
        limit=RATIO,
    )


def _cost(bench: Bench, adapters: Helper, reader: Reader) -> float:
    job = Read(reader=reader, model=LONG.name, streams=bench.size.adapter_streams)
    cost = adapters.ask(job, Cost)
    if cost.deltas != LONG.deltas * job.streams:
        raise ValueError(f"{reader} saw {cost.deltas} deltas")
    return cost.cpu_ns / cost.deltas / 1000
