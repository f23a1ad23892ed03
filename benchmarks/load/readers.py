"""Many readers of one chat."""

import asyncio
from collections.abc import Sequence

from benchmarks.load.body import listen
from benchmarks.load.connection import Connection, Read, require_stream
from benchmarks.load.jobs import Readers, ReadersDone
from benchmarks.spread import Spread

_TURN_END = b"event: turn_end\n"
_AT_ONCE = 50


async def run_readers(job: Readers) -> ReadersDone:
    """Let all in, run the turn, wait until everybody has seen its end. Raises as `run_turns`."""
    readers = [Reader() for _ in range(job.readers)]
    control = await Connection.open(job.turn.port)
    limit = asyncio.Semaphore(_AT_ONCE)
    try:
        async with asyncio.timeout(job.deadline_seconds):
            await asyncio.gather(*(reader.join(job, limit) for reader in readers))
            exchange = await control.exchange(job.turn.encoded())
            await asyncio.gather(*(reader.ended.wait() for reader in readers))
    finally:
        control.close()
        for reader in readers:
            reader.close()
    return _done(job, [reader.reads(exchange.sent_at) for reader in readers])


class Reader:
    """One of them."""

    def __init__(self) -> None:
        """Not yet in."""
        self.ended = asyncio.Event()
        self._in = asyncio.Event()
        self._connection: Connection | None = None
        self._tail = b""

    async def join(self, job: Readers, limit: asyncio.Semaphore) -> None:
        """Open the stream and wait for its first bytes."""
        async with limit:
            self._connection = await Connection.open(job.stream.port)
            self._connection.on_read = self._read
            self._connection.send(job.stream.encoded())
            await self._in.wait()
            require_stream(self._connection.reads)

    def reads(self, since: int) -> Sequence[Read]:
        """Return what came after that moment."""
        assert self._connection is not None
        return [read for read in self._connection.reads if read[0] > since]

    def close(self) -> None:
        """Leave."""
        if self._connection is not None:
            self._connection.close()

    def _read(self, data: bytes) -> None:
        self._in.set()
        seen = self._tail + data
        if _TURN_END in seen:
            self.ended.set()
        self._tail = seen[-len(_TURN_END) :]


def _done(job: Readers, all_reads: Sequence[Sequence[Read]]) -> ReadersDone:
    heard = [listen(reads) for reads in all_reads]
    first = min(reads[0][0] for reads in all_reads)
    last = max(reads[-1][0] for reads in all_reads)
    return ReadersDone(
        events=sum(one.events for one in heard),
        seconds=(last - first) / 1e9,
        late=Spread.of([at - said for one in heard for said, at in one.pieces.items()]),
        lost=sum(job.pieces - len(one.pieces) for one in heard),
    )
