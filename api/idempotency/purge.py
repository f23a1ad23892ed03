"""Removes old answers of repeated requests, now and then, as long as the process lives."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from anyio import to_thread
from sqlalchemy import Engine

from api.idempotency.keys import forget_old

EVERY_SECONDS: Final = 600.0

_log = structlog.stdlib.get_logger()


async def purge_forever(engine: Engine, *, sleep: Callable[[float], Awaitable[None]]) -> None:
    """Remove what is over a day old, every ten minutes; an outage skips a round."""
    while True:
        await sleep(EVERY_SECONDS)
        try:
            removed = await to_thread.run_sync(forget_old, engine)
        except Exception as error:
            _log.warning("purge.failed", error=str(error))
        else:
            _log.debug("purge.done", removed=removed)
