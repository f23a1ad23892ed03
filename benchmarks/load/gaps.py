"""Turns of many steps: the model itself tells the gaps between them, as its last words."""

import asyncio

from benchmarks.load.body import listen
from benchmarks.load.connection import Connection, RequestFailed
from benchmarks.load.jobs import Gaps, GapsDone
from benchmarks.spread import Spread


async def run_gaps(job: Gaps) -> GapsDone:
    """Run the turns one after the other. Raises as `run_turns`."""
    gaps: list[int] = []
    connection = await Connection.open(job.request.port)
    try:
        async with asyncio.timeout(job.deadline_seconds):
            for _ in range(job.turns):
                exchange = await connection.exchange(job.request.encoded())
                heard = listen(exchange.reads)
                told = heard.pieces or heard.messages
                if len(told) != job.gaps:
                    raise RequestFailed(f"a turn of {len(told)} hops, not {job.gaps}")
                gaps += told
    finally:
        connection.close()
    return GapsDone(gaps=Spread.of(gaps))
