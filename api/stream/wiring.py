"""The live side of an API process: the hub of its streams, and what that listens and reads with."""

from contextlib import ExitStack

from sqlalchemy import Engine

from api.stream.hub import Hub, HubSettings
from api.stream.source import StreamSource
from shared.config.settings import Settings
from shared.events.subscriber import Subscriber
from shared.metrics.metrics import Metrics
from shared.redis.connection import open_async_redis


class Streams:
    """The hub, from the start of the loop to its end."""

    def __init__(
        self, settings: Settings, engine: Engine, metrics: Metrics, closing: ExitStack
    ) -> None:
        """Take an engine of the streams' own, so that they never wait behind POSTs."""
        url = settings.redis_url.get_secret_value()
        self._redis = open_async_redis(url)
        self._reader = StreamSource(engine, self._redis, threads=settings.stream_pool_size)
        closing.callback(self._reader.close)
        self.hub = Hub(
            reads=self._reader,
            metrics=metrics,
            settings=HubSettings(
                client_buffer=settings.stream_client_buffer,
                heartbeat=settings.heartbeat_seconds,
                compare=settings.stream_compare_seconds,
            ),
        )
        self._subscriber = Subscriber(url, on_message=self.hub.hear, on_connected=self.hub.resync)

    def start(self) -> None:
        """Begin to listen."""
        self._subscriber.start()
        self.hub.start(self._subscriber)

    async def stop(self) -> None:
        """End all streams; clients come back to another process."""
        await self.hub.stop()
        await self._subscriber.stop()
        await self._redis.aclose()
