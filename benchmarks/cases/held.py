"""Hundreds of slow streams at once: nothing lost, nothing late, little memory."""

import time
from collections.abc import Sequence
from threading import Event, Thread

from benchmarks.bench import Bench
from benchmarks.cases.plans import PER_SECOND, held
from benchmarks.figure import Bar, Figure, median_of
from benchmarks.floors.jobs import PubSub
from benchmarks.load.jobs import Held, HeldDone
from benchmarks.spread import Spread
from benchmarks.usage import Parts

OPENED_A_SECOND = 80.0
SAMPLE_SECONDS = 0.5
MEGABYTES = 150.0


def measure(bench: Bench) -> Sequence[Figure]:
    """Measure once: memory that was used once is no longer above idle."""
    floor = bench.floors.ask(PubSub(redis_url=bench.redis_url, count=bench.size.floors), Spread)
    idle, peak = bench.parts.memory(), Peak(bench.parts)
    started, before = time.monotonic(), bench.parts.cpu()
    with peak:
        done = bench.load.ask(_job(bench), HeldDone)
    used = bench.parts.cpu().since(before)
    seconds = time.monotonic() - started
    name = f"{bench.size.held} streams of {PER_SECOND} deltas/s"
    return [
        Figure(name=f"{name}: deltas lost", value=done.lost, unit="", bar=Bar.VALUE_AT_MOST),
        *(_late(done, floor, percent) for percent in (50, 99)),
        Figure(
            name="  memory above idle, API and workers",
            value=peak.megabytes - idle,
            unit="MB",
            bar=Bar.VALUE_AT_MOST,
            limit=MEGABYTES,
        ),
        *(
            Figure(name=f"  CPU of {part}", value=used[part] / seconds * 100, unit="% of a core")
            for part in sorted(used)
        ),
    ]


def _job(bench: Bench) -> Held:
    plan = held(bench.size.held_seconds)
    return Held(
        request=bench.stack.turn(plan.name),
        pieces=plan.deltas,
        streams=bench.size.held,
        per_second=OPENED_A_SECOND,
    )


def _late(done: HeldDone, floor: Spread, percent: int) -> Figure:
    return median_of(
        f"  delay of a delta, p{percent}",
        [done.late.at(percent)],
        "ms",
        floors=[floor.at(percent)],
        floor_name="Redis publish to subscribe",
    )


class Peak:
    """Looks at the memory again and again while it is entered."""

    def __init__(self, parts: Parts) -> None:
        """Take whose."""
        self.megabytes = parts.memory()
        self._parts = parts
        self._over = Event()
        self._thread = Thread(target=self._look, daemon=True)

    def __enter__(self) -> None:
        """Begin."""
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        """End."""
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self.megabytes = max(self.megabytes, self._parts.memory())
