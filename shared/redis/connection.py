"""Opens Redis for events: quick to give up, never retrying behind our back. Its typed border."""

from collections.abc import Iterable
from typing import Protocol, cast

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

REDIS_ERRORS = (RedisError, OSError)
"""What Redis being away, slow or unwilling looks like."""


class Pipeline(Protocol):
    """Commands that leave together."""

    def execute_command(self, *words: str | bytes | int) -> object:
        """Add a command."""
        ...

    def execute(self, raise_on_error: bool = True) -> list[object]:
        """Send all, return the answers in their order; raise the first one that is an error."""
        ...


class AsyncPipeline(Protocol):
    """Commands that leave together, from an asyncio loop."""

    def execute_command(self, *words: str | bytes | int) -> object:
        """Add a command."""
        ...

    async def execute(self, raise_on_error: bool) -> list[object]:
        """Send all, return the answers in their order, errors among them unless told to raise."""
        ...


def open_redis(url: str, *, timeout: float = 0.5) -> Redis:
    """Return a blocking client, safe between threads; `timeout` in seconds, for each wait."""
    return Redis.from_url(  # pyright: ignore[reportUnknownMemberType]  # **kwargs are untyped
        url,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )


def open_async_redis(url: str, *, timeout: float = 2.0, connect_timeout: float = 0.5) -> AsyncRedis:
    """Return an asyncio client for one loop; times in seconds."""
    return AsyncRedis.from_url(  # pyright: ignore[reportUnknownMemberType]  # as above
        url,
        socket_timeout=timeout,
        socket_connect_timeout=connect_timeout,
        retry=AsyncRetry(NoBackoff(), 0),
        protocol=2,
    )


def open_pipeline(redis: Redis) -> Pipeline:
    """Start a non-transactional pipeline."""
    return cast(Pipeline, redis.pipeline(transaction=False))  # pyright: ignore[reportUnknownMemberType]  # redis leaves shard_hint untyped


def send_command(redis: Redis, *words: str | bytes | int) -> object:
    """Send one command and return its answer: without the cost of a pipeline."""
    return cast(object, redis.execute_command(*words))  # pyright: ignore[reportUnknownMemberType]  # **options are untyped


def open_async_pipeline(redis: AsyncRedis) -> AsyncPipeline:
    """Start a non-transactional pipeline."""
    return cast(AsyncPipeline, redis.pipeline(transaction=False))  # pyright: ignore[reportUnknownMemberType]  # as above


class RawConnection(Protocol):
    """One connection without a pool or retries. After `disconnect` send nothing more on it."""

    async def connect(self) -> None:
        """Connect and authenticate."""
        ...

    def pack_commands(self, commands: Iterable[tuple[str, ...]]) -> list[bytes]:
        """Write commands as bytes."""
        ...

    async def send_packed_command(self, command: list[bytes], check_health: bool) -> None:
        """Send bytes."""
        ...

    async def read_response(self, *, timeout: float) -> object:
        """Return the next thing that the server says; None when it is silent for so long."""
        ...

    async def disconnect(self, nowait: bool) -> None:
        """Close the socket."""
        ...


def open_raw_connection(url: str, *, timeout: float, connect_timeout: float) -> RawConnection:
    """Return a connection that is not connected yet; times in seconds."""
    redis = open_async_redis(url, timeout=timeout, connect_timeout=connect_timeout)
    return cast(RawConnection, redis.connection_pool.make_connection())
