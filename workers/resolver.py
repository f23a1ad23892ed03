"""Resolves names for the worker's connections, on threads and with a time limit of its own.

uvloop looks two names up at a time. Behind four names whose server did not answer, `localhost`
took 5.9 s, behind eight 11.9 s: one provider with a dead name held up all others.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from threading import Thread
from typing import Any, Final

Addresses = list[tuple[Any, ...]]
"""What `socket.getaddrinfo` returns."""

LookUp = Callable[..., Addresses]

LIMIT_SECONDS: Final = 10.0
"""How long one look-up is waited for: two tries of glibc, which gives each server five seconds."""

MOST: Final = 128
"""So many names are looked up at a time; a thread whose server is silent can't be taken back."""


class Resolver:
    """Looks names up, each on a thread of its own, and none twice at a time. For one loop."""

    def __init__(
        self,
        *,
        limit_seconds: float = LIMIT_SECONDS,
        most: int = MOST,
        look_up: LookUp = socket.getaddrinfo,
    ) -> None:
        """Take the limits, and what a thread calls."""
        self._limit_seconds = limit_seconds
        self._most = most
        self._look_up = look_up
        self._under_way: dict[tuple[object, ...], asyncio.Future[Addresses]] = {}

    async def resolve(self, host: object, port: object, **hints: int) -> Addresses:
        """Return the addresses of a name. Raise `socket.gaierror`, also when the time is over."""
        key = (host, port, *sorted(hints.items()))
        found = self._under_way.get(key)
        if found is None:
            if len(self._under_way) >= self._most:
                raise _later(f"{self._most} other names are being looked up")
            found = self._under_way[key] = self._start(key, host, port, hints)
        try:
            async with asyncio.timeout(self._limit_seconds):
                # Others may wait for the same answer, and who comes later may have use for it.
                return await asyncio.shield(found)
        except TimeoutError:
            raise _later(f"no name server answered in {self._limit_seconds:g} s") from None

    def _start(
        self, key: tuple[object, ...], host: object, port: object, hints: Mapping[str, int]
    ) -> asyncio.Future[Addresses]:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Addresses] = loop.create_future()
        found.add_done_callback(lambda done: self._forget(key, done))

        def tell(addresses: Addresses | None, error: BaseException | None) -> None:
            if not found.done():
                found.set_exception(error) if error else found.set_result(addresses or [])

        def look_up() -> None:
            addresses, error = None, None
            try:
                addresses = self._look_up(host, port, **hints)
            except Exception as raised:
                error = raised
            if not loop.is_closed():
                loop.call_soon_threadsafe(tell, addresses, error)

        # A daemon: a pool's threads would keep the process until the last server has not answered.
        Thread(target=look_up, name=f"resolve-{host}", daemon=True).start()
        return found

    def _forget(self, key: tuple[object, ...], found: asyncio.Future[Addresses]) -> None:
        del self._under_way[key]
        if not found.cancelled():
            found.exception()  # nobody may have waited for it to the end


def _later(reason: str) -> socket.gaierror:
    return socket.gaierror(socket.EAI_AGAIN, f"the name was not found in time: {reason}")
