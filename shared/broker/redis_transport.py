"""kombu's Redis transport without its three defects, by subclasses that nothing is patched with.

`tests/integration/broker/test_outage.py` shows each defect in the stock classes: a test that fails
there says that its guard can go.
"""

from collections.abc import Callable
from contextlib import suppress
from queue import Empty
from typing import Any, ClassVar, Final, Literal, cast

import redis
import structlog
from celery.app.amqp import AMQP  # pyright: ignore[reportMissingTypeStubs]  # it has none
from kombu.connection import Connection as StockConnection
from kombu.transport.redis import Channel as StockChannel
from kombu.transport.redis import Transport as StockTransport

_log = structlog.stdlib.get_logger()

FIRST_PAUSE_SECONDS: Final = 0.2
PAUSE_GROWTH_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 2.0


class Channel(StockChannel):
    """A channel that reports its own end as a lost connection.

    kombu closes a lost connection by taking the client off the transport, and an acknowledgement
    that comes after that meets `None`: an `AttributeError`, at which Celery's worker exits.
    """

    _sender: Any = None

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        transport = cast(Any, self.connection)
        if transport is None or transport.client is None:
            raise redis.ConnectionError("the connection to the broker is closed")
        return cast(Any, super())._connparams(asynchronous=asynchronous)

    def _create_client(self, asynchronous: bool = False) -> Any:
        """Make one client for all that is sent: kombu makes one for every command and every ack.

        The one that waits for messages stays its own, with a connection of its own.
        """
        if asynchronous:
            return cast(Any, super())._create_client(asynchronous=True)
        state = cast(Any, self)
        if self._sender is None or self._sender.connection_pool is not state.pool:
            self._sender = cast(Any, super())._create_client()
        return self._sender

    def _basic_cancel(self, consumer_tag: str) -> None:
        """Stop to consume a queue; with the last one, give back what was on its way here.

        The wait for a message that is going on takes one more second, and what it brings would
        stay in the socket while a worker that ends lets its steps finish.
        """
        cast(Any, super())._basic_cancel(consumer_tag)
        state = cast(Any, self)
        if state._in_poll and not state.active_queues:
            with suppress(Empty):
                self._brpop_read()

    def _brpop_read(self, **options: Any) -> Literal[True]:
        """Take a message; one that can't be read is dropped, for its error would end the worker."""
        try:
            return cast(Any, super())._brpop_read(**options)
        except ValueError:
            _log.exception("queue.unreadable_message")
            return True


class Transport(StockTransport):
    """The Redis transport with guarded channels."""

    Channel = Channel

    def _deliver(self, message: object, queue: str) -> None:
        if not isinstance(message, dict):
            raise ValueError(f"no message but {type(message).__name__!r} was in {queue!r}")
        cast(Any, super())._deliver(message, queue)


class Connection(StockConnection):
    """A connection that reconnects within two seconds and speaks the guarded transport to Redis.

    kombu lets the pauses grow to 30 seconds, in which a worker is deaf though its broker is back.
    """

    resolve_aliases: ClassVar[dict[Any, str]] = {
        **StockConnection.resolve_aliases,
        Transport: "redis",  # as it stands in URLs that are logged
    }

    def _init_params(self, *args: Any, **kwargs: Any) -> None:
        cast(Any, super())._init_params(*args, **kwargs)
        if self.transport_cls in ("redis", "rediss"):
            self.transport_cls = Transport

    def ensure_connection(
        self,
        errback: Callable[..., object] | None = None,
        max_retries: int | None = None,
        interval_start: float = FIRST_PAUSE_SECONDS,
        interval_step: float = PAUSE_GROWTH_SECONDS,
        interval_max: float = LONGEST_PAUSE_SECONDS,
        **options: Any,
    ) -> "Connection":
        """Connect, trying again after pauses of 0.2 s that grow to 2 s."""
        cast(Any, super()).ensure_connection(
            errback, max_retries, interval_start, interval_step, interval_max, **options
        )
        return self


class Amqp(AMQP):
    """Celery's doors to the broker, with the guarded connection."""

    Connection = Connection
