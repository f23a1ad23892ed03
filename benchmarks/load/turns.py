"""Turns one after the other, in as many clients as wanted."""

import asyncio
import itertools
import time

from benchmarks.load.body import listen
from benchmarks.load.connection import Connection, Exchange, RequestFailed
from benchmarks.load.jobs import Turns, TurnsDone
from benchmarks.spread import Spread


async def run_turns(job: Turns) -> TurnsDone:
    """Run them. Raises `RequestFailed`, and `TimeoutError` after the deadline."""
    request = job.request.encoded()
    connections = [await Connection.open(job.request.port) for _ in range(job.concurrency)]
    numbers = itertools.count()
    exchanges: list[Exchange] = []

    async def client(connection: Connection) -> None:
        while next(numbers) < job.turns:
            exchanges.append(await connection.exchange(request))

    try:
        async with asyncio.timeout(job.deadline_seconds), asyncio.TaskGroup() as clients:
            started = time.monotonic()
            for connection in connections:
                clients.create_task(client(connection))
        seconds = time.monotonic() - started
    finally:
        for connection in connections:
            connection.close()
    return _done(job, exchanges, seconds)


def _done(job: Turns, exchanges: list[Exchange], seconds: float) -> TurnsDone:
    first: list[int] = []
    lost = 0
    for exchange in exchanges:
        heard = listen(exchange.reads)
        lost += job.pieces - len(heard.pieces.keys() | heard.messages.keys())
        if heard.first_at is None:
            raise RequestFailed("a turn without a piece")
        first.append(heard.first_at - exchange.sent_at)
    return TurnsDone(
        first=Spread.of(first),
        whole=Spread.of([exchange.ended_at - exchange.sent_at for exchange in exchanges]),
        per_second=len(exchanges) / seconds,
        lost=lost,
    )
