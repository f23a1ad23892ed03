"""Ends a stream whose caller's key counts no more."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from anyio import to_thread
from sqlalchemy.exc import SQLAlchemyError

from api.auth.authenticator import Authenticator
from api.auth.caller import Caller
from api.auth.errors import Unauthenticated
from api.http.sse import EventSource

RECHECK_SECONDS: Final = 2.0
"""Together with the gate's own two seconds a revoked key's streams end within five."""

_log = structlog.stdlib.get_logger()


class GuardedEvents:
    """A source of events that is closed when its key is revoked or gets a new secret."""

    def __init__(
        self,
        source: EventSource,
        confirm: Callable[[], Awaitable[None]],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Take an open source, and what raises `Unauthenticated` once the key counts no more."""
        self._source = source
        self._confirm = confirm
        self._sleep = sleep

    async def take(self) -> bytes | None:
        """Wait for events and return all that are there; None at the end."""
        return await self._source.take()

    async def cut_off(self) -> None:
        """Wait until there will be no more; meanwhile look after the key."""
        watching = asyncio.ensure_future(self._watch())
        try:
            await self._source.cut_off()
        finally:
            watching.cancel()

    def close(self) -> None:
        """Nobody reads any more."""
        self._source.close()

    async def _watch(self) -> None:
        while True:
            await self._sleep(RECHECK_SECONDS)
            try:
                await self._confirm()
            except Unauthenticated:
                _log.info("stream.key_ended")
                self._source.close()
                return
            except SQLAlchemyError:
                continue  # an outage says nothing of the key


def confirming(gate: Authenticator, caller: Caller) -> Callable[[], Awaitable[None]]:
    """Return what asks the gate again, in a thread where the gate does not know by itself."""

    async def confirm() -> None:
        if gate.known(caller.proof) is None:
            await to_thread.run_sync(gate.ask, caller.proof)

    return confirm
