"""`python -m api`: one API process."""

import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Final

import structlog
import uvicorn
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.app import create_app
from shared.config.catalog import CatalogError
from shared.config.settings import Settings, SettingsError, read_settings
from shared.db.engine import make_engine
from shared.logs.setup import configure

SWITCH_SECONDS: Final = 0.0005
"""Threads and the loop share the GIL: at Python's 5 ms a short transaction takes 64 ms."""

GRACE_SECONDS: Final = 3
"""How long answers in progress may take after the signal to stop; streams end at once."""

_BACKLOG: Final = 2048

_log = structlog.stdlib.get_logger()


def main() -> int:
    """Serve until a signal; 1 = the settings, the catalog or the port won't do."""
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        settings = read_settings()
        configure(settings.log_format, settings.log_level, "api")
        _check_connections(settings)
        app = create_app(settings)
    except (SettingsError, CatalogError) as error:
        print(f"stepwell: the API did not start: {error}", file=sys.stderr)
        return 1
    try:
        listening = _listen(settings)
    except OSError as error:
        # The text of the error repeats the address.
        reason = os.strerror(error.errno) if error.errno else str(error)
        print(
            f"stepwell: the API can't listen on {settings.host} port {settings.port}: {reason};"
            " stop what has the port, or set STEPWELL_PORT",
            file=sys.stderr,
        )
        return 1
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    _Server(config, app.state.deps.streams.stop).run(sockets=[listening])
    return 0


class _Server(uvicorn.Server):
    """Ends the streams before it waits for answers in progress: they have no end of their own."""

    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; a second Ctrl-C waits for nobody."""
        # What uvicorn notes here it raises again in the end: an orderly stop would look like a
        # death by the signal.
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End everything."""
        await self._end_streams()
        await super().shutdown(sockets)


def _check_connections(settings: Settings) -> None:
    """Raise `SettingsError` if PostgreSQL allows fewer connections than these pools want."""
    engine = make_engine(
        settings.sqlalchemy_url, pool_size=1, name="stepwell-api-start", connect_seconds=2
    )
    try:
        with engine.connect() as connection:
            allowed = int(connection.execute(text("SHOW max_connections")).scalar_one())
    except SQLAlchemyError as error:
        # Not a reason to stay away: `/readyz` says so until PostgreSQL is there.
        _log.warning("api.database_away", error=str(error))
        return
    finally:
        engine.dispose()
    settings.check_connections(allowed, api=1, workers=1)


def _listen(settings: Settings) -> socket.socket:
    """Take the port now, so that a taken one is told as such. Raise `OSError`."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    return socket.create_server((settings.host, settings.port), family=family, backlog=_BACKLOG)


if __name__ == "__main__":
    sys.exit(main())
