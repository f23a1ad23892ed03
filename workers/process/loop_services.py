"""What of a worker lives on its loop: parts out, cancellations in, and the model providers."""

from dataclasses import dataclass

import structlog
from redis.asyncio import Redis as AsyncRedis

from shared.chats.model.ids import WorkerId
from shared.config.catalog import Catalog
from shared.config.settings import Settings
from shared.redis.connection import open_async_redis
from workers.leases.cancel_listener import CancelListener
from workers.leases.registry import Leases
from workers.providers.registry import Providers
from workers.streaming.flusher import Flusher, FlushSettings
from workers.worker_metrics import WorkerMetrics

_log = structlog.stdlib.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopServices:
    """Made, used and closed on the loop."""

    redis: AsyncRedis
    flusher: Flusher
    cancels: CancelListener
    providers: Providers

    @classmethod
    async def open(
        cls, settings: Settings, catalog: Catalog, leases: Leases, metrics: WorkerMetrics
    ) -> "LoopServices":
        """Open what needs no answer from anybody: Redis may be away."""
        url = settings.redis_url.get_secret_value()
        redis = open_async_redis(url)
        flusher = Flusher(
            redis,
            metrics=metrics,
            settings=FlushSettings(buffer_ttl=settings.buffer_seconds),
        )
        flusher.start()
        cancels = CancelListener(url, leases, _log)
        cancels.start()
        return cls(
            redis=redis,
            flusher=flusher,
            cancels=cancels,
            providers=Providers(
                catalog.providers,
                connect_seconds=settings.connect_seconds,
                # The last resort: a step's own guards say what is missing, and come before it.
                read_seconds=max(settings.startup_seconds, settings.silence_seconds) + 1.0,
            ),
        )

    async def listen(self, worker_id: WorkerId) -> None:
        """Listen for the cancellations of this id."""
        self.cancels.listen(worker_id)

    async def close(self) -> None:
        """Send what waits, and close every connection."""
        await self.cancels.stop()
        await self.flusher.stop()
        await self.redis.aclose()
        await self.providers.aclose()
