"""Hears on Redis which steps of this process a person stopped; the renewal's round hears late."""

import asyncio
from uuid import UUID

from structlog.stdlib import BoundLogger

from shared.chats.model.ids import LeaseId, WorkerId
from shared.events.channels import worker_channel
from shared.events.subscriber import Subscriber
from shared.events.wire import decode_cancel
from workers.leases.registry import CancelReason, Leases


class CancelListener:
    """Listens on the channel of this worker's id. Lives on the loop."""

    def __init__(self, url: str, leases: Leases, log: BoundLogger) -> None:
        """Take where Redis is; `start` connects."""
        self._subscriber = Subscriber(url, on_message=self._hear, on_connected=_connected)
        self._leases = leases
        self._log = log
        self._channel: str | None = None
        self._subscribed: asyncio.Future[None] | None = None

    def start(self) -> None:
        """Connect, and stay connected until `stop`."""
        self._subscriber.start()

    def listen(self, worker_id: WorkerId) -> None:
        """Listen on this channel as soon as Redis can be reached, and on no other."""
        if self._channel is not None:
            self._subscriber.unsubscribe(self._channel)
        self._channel = worker_channel(worker_id)
        self._subscribed = asyncio.ensure_future(self._subscriber.subscribe(self._channel))

    async def stop(self) -> None:
        """Close the connection."""
        await self._subscriber.stop()

    def _hear(self, channel: str, data: bytes) -> None:
        if channel != self._channel:
            return  # what was published to an id that this process no longer has
        try:
            hint = decode_cancel(data)
            lease_id, reason = LeaseId(UUID(hint.lease_id)), CancelReason(hint.reason)
        except ValueError as error:
            self._log.warning("cancels.unreadable", error=str(error))
            return
        lease = self._leases.find(lease_id)
        if lease is not None:
            lease.cancel(reason)


def _connected() -> None:
    """Nothing: what was missed meanwhile, the renewal finds."""
