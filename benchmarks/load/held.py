"""Many streams that are open at the same time."""

import asyncio

from benchmarks.load.body import Heard, listen
from benchmarks.load.connection import Connection, Exchange, RequestFailed
from benchmarks.load.jobs import Held, HeldDone
from benchmarks.spread import Spread


async def run_held(job: Held) -> HeldDone:
    """Open them at an even pace and read all to their end. Raises as `run_turns`."""
    request = job.request.encoded()
    loop = asyncio.get_running_loop()
    begun = loop.time()

    async def client(number: int) -> Exchange:
        await asyncio.sleep(begun + number / job.per_second - loop.time())
        connection = await Connection.open(job.request.port)
        try:
            return await connection.exchange(request)
        finally:
            connection.close()

    async with asyncio.timeout(job.deadline_seconds), asyncio.TaskGroup() as clients:
        tasks = [clients.create_task(client(number)) for number in range(job.streams)]
    return _done(job, [task.result() for task in tasks])


def _done(job: Held, exchanges: list[Exchange]) -> HeldDone:
    heard = [listen(exchange.reads) for exchange in exchanges]
    # As long as all of them speak.
    opened = max(next(iter(one.pieces.values()), 0) for one in heard)
    ended = min(exchange.ended_at for exchange in exchanges)
    late = [late for one in heard for late in _late(one, opened, ended)]
    if not late:
        raise RequestFailed("the streams were not open at the same time")
    return HeldDone(
        late=Spread.of(late),
        lost=sum(job.pieces - len(one.pieces) for one in heard),
        together_seconds=(ended - opened) / 1e9,
    )


def _late(heard: Heard, opened: int, ended: int) -> list[int]:
    return [at - said for said, at in heard.pieces.items() if opened <= said <= ended]
