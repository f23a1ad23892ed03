"""Marks workers of this machine as dead the moment they are reaped."""

import socket
from typing import Protocol

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from local.processes.output import Printer
from local.settings import ChildSettings
from local.supervisor import MarkDead
from shared.db.engine import make_engine


class MarkRow(Protocol):
    """Marks the row of one worker process as dead, unless it is already."""

    def __call__(self, engine: Engine, *, host: str, pid: int) -> int:
        """Mark it; gives how many rows that were. Raises SQLAlchemy's errors."""
        ...


def mark_dead_with(mark: MarkRow, children: ChildSettings, printer: Printer) -> MarkDead:
    """Make the function the supervisor calls with the pid of a worker that is gone."""
    engine = make_engine(children.common.sqlalchemy_url, pool_size=1, name="stepwell-local")
    host = socket.gethostname()

    def mark_dead(pid: int) -> None:
        try:
            mark(engine, host=host, pid=pid)
        except SQLAlchemyError as error:
            # The other workers find out by themselves, some seconds later.
            kind = type(error).__name__
            printer.say(f"the end of worker process {pid} could not be noted ({kind})")

    return mark_dead
