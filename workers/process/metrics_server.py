"""The worker's own `/metrics`, on the first free port from the configured one up."""

import errno
from types import TracebackType
from typing import Final, Self

import structlog
from prometheus_client import CollectorRegistry, start_http_server

PORTS: Final = 100
"""As many workers find room on one machine."""

_log = structlog.stdlib.get_logger()


class MetricsServer:
    """Serves a registry from a thread while it is entered."""

    def __init__(self, host: str, port: int, registry: CollectorRegistry) -> None:
        """Keep the address; entering listens."""
        self._host = host
        self._first = port
        self._registry = registry

    def __enter__(self) -> Self:
        """Listen. Raises `OSError` when no port is free."""
        for port in range(self._first, min(self._first + PORTS, 65536)):
            try:
                self._server, self._thread = start_http_server(port, self._host, self._registry)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                _log.info("worker.metrics", host=self._host, port=port)
                return self
        raise OSError(errno.EADDRINUSE, f"no port from {self._first} up is free for metrics")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
