"""One pub/sub connection for all who listen in a process; it comes back by itself."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import structlog

from shared.redis.connection import REDIS_ERRORS, RawConnection, open_raw_connection

_log = structlog.stdlib.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberSettings:
    """Times in seconds. A connection is dead when two `silence`s pass without an answer."""

    silence: float = 2.0
    timeout: float = 2.0
    connect_timeout: float = 0.5
    first_retry: float = 0.2
    last_retry: float = 2.0


class _Lost(OSError):
    """The connection is there, but nobody answers any more."""


class Subscriber:
    """Keeps one connection and the channels on it. Everything happens on one loop.

    `on_message` gets a channel and what was published. `on_connected` is called after every
    connection, the first one included, as soon as all channels are subscribed on it: whatever was
    published before may have been missed. Both must be quick and must not raise.
    """

    def __init__(
        self,
        url: str,
        *,
        on_message: Callable[[str, bytes], None],
        on_connected: Callable[[], None],
        settings: SubscriberSettings | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Take where Redis is; `start` connects."""
        self._url = url
        self._on_message = on_message
        self._on_connected = on_connected
        self._settings = settings or SubscriberSettings()
        self._sleep = sleep
        self._wanted: dict[str, asyncio.Future[None]] = {}
        self._owed: Counter[str] = Counter()
        self._restoring: set[str] = set()
        self._commands: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._connected = False
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Every channel is subscribed on a connection that is believed to work."""
        return self._connected

    def start(self) -> None:
        """Connect, and stay connected until `stop`."""
        self._stopping.clear()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="subscriber")

    async def stop(self) -> None:
        """Close the connection. Who waits for an acknowledgement is cancelled."""
        if self._task is None:
            return
        self._stopping.set()
        await asyncio.wait([self._task])
        self._task = None
        for waiting in self._wanted.values():
            waiting.cancel()
        self._wanted.clear()

    async def subscribe(self, channel: str) -> None:
        """Return once the server has acknowledged it, now or whenever it can be reached."""
        acknowledged = self._wanted.get(channel)
        if acknowledged is None:
            acknowledged = asyncio.get_running_loop().create_future()
            self._wanted[channel] = acknowledged
            self._command("SUBSCRIBE", channel)
        await asyncio.shield(acknowledged)

    def unsubscribe(self, channel: str) -> None:
        """Leave a channel."""
        acknowledged = self._wanted.pop(channel, None)
        if acknowledged is not None:
            acknowledged.cancel()
            self._command("UNSUBSCRIBE", channel)

    def _command(self, name: str, channel: str) -> None:
        # One queue, so that a channel's commands reach the server in the order they were given.
        if name == "SUBSCRIBE":
            self._owed[channel] += 1
        self._commands.put_nowait((name, channel))

    async def _run(self) -> None:
        retry = self._settings.first_retry
        while not self._stopping.is_set():
            session = asyncio.ensure_future(self._session())
            await _first_of(session, asyncio.ensure_future(self._stopping.wait()))
            was_connected, self._connected = self._connected, False
            error = await _outcome(session)
            if self._stopping.is_set():
                return
            if was_connected:
                retry = self._settings.first_retry
            _tell(error, first=retry == self._settings.first_retry)
            stopping = asyncio.ensure_future(self._stopping.wait())
            await _first_of(stopping, asyncio.ensure_future(self._sleep(retry)))
            await _outcome(stopping)
            retry = min(retry * 2, self._settings.last_retry)

    async def _session(self) -> None:
        """Connect, subscribe to all that is wanted, then listen until the connection ends."""
        connection = open_raw_connection(
            self._url,
            timeout=self._settings.timeout,
            connect_timeout=self._settings.connect_timeout,
        )
        writer: asyncio.Task[None] | None = None
        try:
            await connection.connect()
            self._commands = asyncio.Queue()
            self._owed.clear()
            self._restoring = set(self._wanted)
            for channel in self._wanted:
                self._command("SUBSCRIBE", channel)
            self._note_restored(None)
            writer = asyncio.get_running_loop().create_task(self._write(connection))
            await self._listen(connection)
        finally:
            if writer is not None:
                await _outcome(writer)
            await connection.disconnect(nowait=True)

    async def _write(self, connection: RawConnection) -> None:
        try:
            while True:
                commands = [await self._commands.get()]
                while not self._commands.empty():
                    commands.append(self._commands.get_nowait())
                packed = connection.pack_commands(commands)
                await connection.send_packed_command(packed, check_health=False)
        finally:
            # Without its writer the connection is of no use: the listener ends with it.
            await connection.disconnect(nowait=True)

    async def _listen(self, connection: RawConnection) -> None:
        asked = False
        while True:
            said = await connection.read_response(timeout=self._settings.silence)
            if said is not None:
                asked = False
                self._hear(cast(Sequence[bytes], said))
            elif asked:
                raise _Lost("no answer to a ping")
            else:
                asked = True
                self._commands.put_nowait(("PING", "stepwell"))

    def _hear(self, said: Sequence[bytes]) -> None:
        match bytes(said[0]):
            case b"message":
                self._on_message(said[1].decode(), said[2])
            case b"subscribe":
                self._acknowledge(said[1].decode())
            case _:
                return  # the end of a subscription, or a pong

    def _acknowledge(self, channel: str) -> None:
        self._owed[channel] -= 1
        acknowledged = self._wanted.get(channel)
        # An earlier SUBSCRIBE, undone since, must not pass for the one that is waited for.
        if self._owed[channel] == 0 and acknowledged is not None and not acknowledged.done():
            acknowledged.set_result(None)
        if not self._connected:
            self._note_restored(channel)

    def _note_restored(self, channel: str | None) -> None:
        if channel is not None:
            self._restoring.discard(channel)
        if not self._restoring:
            self._connected = True
            self._on_connected()


def _tell(error: BaseException | None, *, first: bool) -> None:
    if error is not None and not isinstance(error, REDIS_ERRORS):
        _log.error("subscriber.failed", exc_info=error)
    elif first:
        _log.warning("subscriber.redis_away", error=repr(error))


async def _first_of(one: asyncio.Future[Any], other: asyncio.Future[Any]) -> None:
    """Wait for either, then end the second; what that failed with is raised."""
    await asyncio.wait([one, other], return_when=asyncio.FIRST_COMPLETED)
    error = await _outcome(other)
    if error is not None:
        raise error


async def _outcome(future: asyncio.Future[Any]) -> BaseException | None:
    """End a task and say what it ended with. Cancels as often as it takes: redis-py eats some."""
    while not future.done():
        future.cancel()
        await asyncio.wait([future], timeout=0.2)
    return None if future.cancelled() else future.exception()
