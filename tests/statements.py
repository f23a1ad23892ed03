"""What an engine sends to the database, seen at the driver: whoever sends it, and however."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Engine, event

from shared.db.cursor import DriverCursor


@contextmanager
def before_each_statement(engine: Engine, act: Callable[[str], None]) -> Generator[None]:
    """Have `act` called with every statement between BEGIN and COMMIT, before it is sent."""

    class Watched(DriverCursor):
        def execute(self, query: Any, *rest: Any, **options: Any) -> Any:
            act(query.decode() if isinstance(query, bytes) else str(query))
            return super().execute(query, *rest, **options)

    def taken(connection: psycopg.Connection, *_: object) -> None:
        connection.cursor_factory = Watched

    def returned(connection: psycopg.Connection | None, *_: object) -> None:
        if connection is not None:  # else it was lost
            connection.cursor_factory = DriverCursor

    event.listen(engine, "checkout", taken)
    event.listen(engine, "checkin", returned)
    try:
        yield
    finally:
        event.remove(engine, "checkout", taken)
        event.remove(engine, "checkin", returned)


@contextmanager
def statements(engine: Engine) -> Generator[list[str]]:
    """Collect what is sent between BEGIN and COMMIT."""
    seen: list[str] = []
    with before_each_statement(engine, seen.append):
        yield seen
