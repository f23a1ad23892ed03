"""`python -m benchmarks.load`: one job a line on stdin, one answer a line on stdout."""

import gc
import sys

import uvloop
from pydantic import BaseModel

from benchmarks.load.connection import RequestFailed
from benchmarks.load.fanout import run_fanout
from benchmarks.load.gaps import run_gaps
from benchmarks.load.held import run_held
from benchmarks.load.jobs import JOB, Fanout, Gaps, Held, Job, Readers, Turns
from benchmarks.load.readers import run_readers
from benchmarks.load.turns import run_turns


async def _run(job: Job) -> BaseModel:
    match job:
        case Turns():
            return await run_turns(job)
        case Held():
            return await run_held(job)
        case Readers():
            return await run_readers(job)
        case Gaps():
            return await run_gaps(job)
        case Fanout():
            return await run_fanout(job)


def main() -> int:
    """Do job after job until stdin closes; one that fails ends the process."""
    gc.disable()  # a pause here would be taken for one of the measured
    for line in sys.stdin:
        try:
            done = uvloop.run(_run(JOB.validate_json(line)))
        except* (RequestFailed, TimeoutError, OSError) as failures:
            print(f"benchmarks.load: {_first(failures)!r}", file=sys.stderr)
            sys.exit(1)
        print(done.model_dump_json(), flush=True)
        gc.collect()
    return 0


def _first(failures: BaseExceptionGroup[Exception]) -> BaseException:
    """Return one for all: clients fail together."""
    first: BaseException = failures
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first


if __name__ == "__main__":
    sys.exit(main())
