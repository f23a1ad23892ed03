"""Opens PostgreSQL with limits that keep a stopped process from holding locks for long."""

import orjson
import psycopg
from sqlalchemy import Engine, ExceptionContext, create_engine, event

from shared.db.cursor import DriverCursor
from shared.db.liveness import check_liveness
from shared.db.outage import READ_ONLY

# A process that was stopped or cut off must not hold a lock for long: every limit is on the server.
_SERVER_LIMITS = (
    "-c idle_in_transaction_session_timeout=5s -c lock_timeout=5s -c statement_timeout=30s"
)
_KEEPALIVE = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


def make_engine(
    url: str, *, pool_size: int, name: str, connect_seconds: int = 5, pool_seconds: float = 5.0
) -> Engine:
    """Make an engine with exactly `pool_size` connections at most; `name` is shown by PostgreSQL.

    Waiting for a free connection ends after `pool_seconds` with SQLAlchemy's `TimeoutError`.
    """
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=pool_seconds,
        # The one used last is warm: its statements are prepared, here and in its server process.
        pool_use_lifo=True,
        json_serializer=_dump,
        json_deserializer=orjson.loads,
        # An error's text ends up in logs, and what people and models say does not belong there.
        hide_parameters=True,
        connect_args={
            "options": _SERVER_LIMITS,
            "application_name": name,
            "cursor_factory": DriverCursor,
            "connect_timeout": connect_seconds,
            **_KEEPALIVE,
        },
    )
    check_liveness(engine)
    event.listen(engine, "handle_error", _leave_standby)
    return engine


def _leave_standby(context: ExceptionContext) -> None:
    """Connect anew after a failover: the URL may lead to the new primary by then."""
    error = context.original_exception
    if isinstance(error, psycopg.Error) and error.sqlstate == READ_ONLY:
        context.is_disconnect = True


def _dump(value: object) -> str:
    return orjson.dumps(value).decode()
