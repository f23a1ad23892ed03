"""What Redis itself delivers to many subscribers: the floor of many readers."""

import asyncio
import time
from urllib.parse import unquote, urlsplit

from benchmarks.load.connection import Connection
from benchmarks.load.jobs import Fanout, FanoutDone

_CHANNEL = "benchmark"
_SUBSCRIBED = b":1\r\n"


async def run_fanout(job: Fanout) -> FanoutDone:
    """Subscribe all, publish all at once, wait until all have everything."""
    wanted = job.size * job.messages
    subscribers = [Subscriber(wanted) for _ in range(job.subscribers)]
    publisher = await _connect(job.redis_url)
    try:
        async with asyncio.timeout(job.deadline_seconds):
            for one in subscribers:
                await one.subscribe(job.redis_url)
            started = time.monotonic()
            publisher.send(_command("PUBLISH", _CHANNEL, "x" * job.size) * job.messages)
            await asyncio.gather(*(one.complete.wait() for one in subscribers))
            seconds = time.monotonic() - started
    finally:
        publisher.close()
        for one in subscribers:
            one.close()
    return FanoutDone(messages=job.messages * job.subscribers, seconds=seconds)


class Subscriber:
    """One of them."""

    def __init__(self, wanted: int) -> None:
        """Take how many bytes of payload there will be."""
        self.complete = asyncio.Event()
        self._subscribed = asyncio.Event()
        self._wanted = wanted
        self._connection: Connection | None = None
        self._payload = 0

    async def subscribe(self, url: str) -> None:
        """Connect and subscribe."""
        self._connection = await _connect(url)
        self._connection.on_read = self._read
        self._connection.send(_command("SUBSCRIBE", _CHANNEL))
        await self._subscribed.wait()

    def close(self) -> None:
        """Leave."""
        if self._connection is not None:
            self._connection.close()

    def _read(self, data: bytes) -> None:
        self._payload += data.count(b"x")
        if _SUBSCRIBED in data:
            self._subscribed.set()
        if self._payload >= self._wanted:
            self.complete.set()


async def _connect(url: str) -> Connection:
    parts = urlsplit(url)
    connection = await Connection.open(parts.port or 6379)
    answered = asyncio.Event()
    connection.on_read = lambda _: answered.set()
    connection.send(_command("AUTH", unquote(parts.password or "")))
    await answered.wait()
    return connection


def _command(*words: str) -> bytes:
    encoded = [word.encode() for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in encoded)
