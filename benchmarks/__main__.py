"""`python -m benchmarks`, which is what `make bench` runs."""

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.bench import FULL, QUICK, Bench, Case, Run, Size, say
from benchmarks.cases import adapters, first_part, held, history, hop, readers, turns
from benchmarks.cases.plans import HOPPING, HUNDRED, SHORT, SPOKEN, fast
from benchmarks.cases.plans import held as held_plan
from benchmarks.chat import ChatFailed
from benchmarks.figure import Figure
from benchmarks.helper import HelperFailed
from benchmarks.load.jobs import Turns, TurnsDone
from benchmarks.machine import this_machine
from benchmarks.report import as_json, table
from benchmarks.stack import StackFailed

CASES: Final[Mapping[str, Case]] = {
    # First, before memory that others used and freed hides what it needs.
    "held": held.measure,
    "first-part": first_part.measure,
    "turns": turns.measure,
    "readers": readers.measure,
    "hop": hop.measure,
    "history": history.measure,
    "adapters": adapters.measure,
}

_WARM_UP: Final = 64


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print, a missed bar too; 2 = it could not be measured."""
    asked = _parser().parse_args(arguments)
    size = QUICK if asked.quick else FULL
    started = time.monotonic()
    try:
        figures = _in_a_folder(size, asked.only or list(CASES))
    except (StackFailed, HelperFailed, ChatFailed) as error:
        say(f"cannot measure: {error}")
        return 2
    seconds = time.monotonic() - started
    machine = this_machine()
    print(f"Measured in {seconds:.0f} s on {machine.sentence()}, everything on it.\n")
    print(table(figures))
    if asked.json is not None:
        asked.json.write_text(as_json(figures, machine, seconds), encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=CASES, help="may be given again")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all rounds there")
    parser.add_argument("--quick", action="store_true", help="one round of everything")
    return parser


def _in_a_folder(size: Size, names: Sequence[str]) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="stepwell-bench-") as folder:
        # Another user may have to pass through to PostgreSQL's data.
        Path(folder).chmod(0o711)
        return _measure(Path(folder), size, names)


def _measure(folder: Path, size: Size, names: Sequence[str]) -> list[Figure]:
    spoken = (held_plan(size.held_seconds), fast(size.reader_seconds))
    plans = (SHORT, SPOKEN, HUNDRED, HOPPING, *spoken)
    figures: list[Figure] = []
    with Run(folder, size, plans) as run:
        bench = run.start()
        _warm_up(bench)
        for name, measure in CASES.items():
            if name in names:
                say(f"measuring {name}")
                figures += measure(bench)
    return figures


def _warm_up(bench: Bench) -> None:
    """Let everybody import, connect and prepare what the first turns need."""
    request = bench.stack.turn(SHORT.name)
    job = Turns(request=request, pieces=SHORT.deltas, concurrency=8, turns=_WARM_UP)
    bench.load.ask(job, TurnsDone)


if __name__ == "__main__":
    sys.exit(main())
