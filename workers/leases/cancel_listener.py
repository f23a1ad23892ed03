"""Hears on Redis which steps of this process a person stopped; the renewal's round hears late."""

import asyncio
from typing import Any, cast
from uuid import UUID

from redis.asyncio import Redis as AsyncRedis
from structlog.stdlib import BoundLogger

from shared.chats.model.ids import LeaseId, WorkerId
from shared.events.channels import worker_channel
from shared.events.wire import decode_cancel
from shared.redis.connection import REDIS_ERRORS
from workers.leases.registry import CancelReason, Leases

_PING_SECONDS = 5.0
_CANCEL_AGAIN_SECONDS = 0.1
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 2.0


class CancelListener:
    """Listens on the channel of this worker's id. Lives on the loop."""

    def __init__(self, redis: AsyncRedis, leases: Leases, log: BoundLogger) -> None:
        """Take a client made for the loop, and close it in the end."""
        self._redis = redis
        self._leases = leases
        self._log = log
        self._task: asyncio.Task[None] | None = None

    async def listen(self, worker_id: WorkerId) -> None:
        """Listen on this channel from now on, and on no other."""
        await self.stop()
        self._task = asyncio.create_task(self._main(worker_channel(worker_id)), name="cancels")

    async def stop(self) -> None:
        """Stop listening."""
        task, self._task = self._task, None
        # More than once: redis-py swallows a cancellation that meets one of its own time-outs.
        while task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=_CANCEL_AGAIN_SECONDS)

    async def close(self) -> None:
        """Stop listening and close the connection."""
        await self.stop()
        await self._redis.aclose()

    async def _main(self, channel: str) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                # redis-py leaves the type of its own **kwargs open.
                async with self._redis.pubsub() as pubsub:  # pyright: ignore[reportUnknownMemberType]
                    await pubsub.subscribe(channel)
                    pause = _FIRST_PAUSE_SECONDS
                    await self._read(pubsub)
            except REDIS_ERRORS as error:
                self._log.debug("cancels.redis_away", error=repr(error))
            except Exception:
                self._log.exception("cancels.failed")
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _read(self, pubsub: Any) -> None:
        while True:
            note = await pubsub.get_message(ignore_subscribe_messages=True, timeout=_PING_SECONDS)
            if note is None:
                # Silence may be a dead connection: the ping finds out.
                await pubsub.ping()
            elif note["type"] == "message":
                self._cancel(cast(bytes, note["data"]))

    def _cancel(self, data: bytes) -> None:
        try:
            hint = decode_cancel(data)
            lease_id, reason = LeaseId(UUID(hint.lease_id)), CancelReason(hint.reason)
        except ValueError as error:
            self._log.warning("cancels.unreadable", error=str(error))
            return
        lease = self._leases.find(lease_id)
        if lease is not None:
            lease.cancel(reason)
