"""`python -m benchmarks.adapters PORT`: one job a line on stdin, its cost a line on stdout."""

import asyncio
import gc
import sys
import time

import uvloop

from benchmarks.adapters.jobs import Cost, Read
from benchmarks.adapters.reading import Clients


async def main(port: int) -> None:
    """Do job after job until stdin closes."""
    clients = Clients(port)
    try:
        while line := await asyncio.to_thread(sys.stdin.readline):
            cost = await _cost(clients, Read.model_validate_json(line))
            print(cost.model_dump_json(), flush=True)
    finally:
        await clients.aclose()


async def _cost(clients: Clients, job: Read) -> Cost:
    gc.collect()
    deltas = 0
    before = time.process_time_ns()
    for _ in range(job.streams):
        deltas += await clients.read(job.reader, job.model)
    return Cost(cpu_ns=time.process_time_ns() - before, deltas=deltas)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
