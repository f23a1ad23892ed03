"""Holds processes of a fleet where a test wants them: at a named point, before a lock, at a COMMIT.

Nothing here waits for time to pass. Who never comes to where it is to be held fails the test.
"""

import socket
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psycopg

from tests.journeys.failpoint_worker import GO_ON, SOCKET
from tests.journeys.fleet import Fleet, Process, eventually
from workers.failpoints import Failpoint

COMES_SECONDS: Final = 20.0
AT_COMMIT: Final = """
CREATE OR REPLACE FUNCTION hold_commit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    change text := CASE WHEN TG_OP = 'INSERT' THEN 'new' ELSE OLD.status END || '>' || NEW.status;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(42, hashtext(change));
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS hold_commit ON chats;
CREATE CONSTRAINT TRIGGER hold_commit AFTER INSERT OR UPDATE ON chats
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hold_commit()
"""
"""A deferred constraint is checked at the COMMIT, and nowhere else."""


@dataclass(slots=True)
class Held:
    """A worker that waits at its point for what the test makes of it."""

    connection: socket.socket
    process: Process

    def go_on(self) -> None:
        self.connection.sendall(GO_ON)
        self.connection.close()

    def die(self) -> None:
        self.connection.close()
        self.process.popen.wait()


class Ambush:
    """Lies in wait at a crash point for the worker that takes a certain chat there."""

    def __init__(self, doom: Path) -> None:
        self._doom = doom
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(doom.with_name(SOCKET)))
        self._listening.listen()
        self._listening.settimeout(COMES_SECONDS)

    def lay(self, point: Failpoint, chat_id: str) -> None:
        self._doom.write_text(f"hold {point} {chat_id}")

    def wait(self, fleet: Fleet) -> Held:
        """Return the worker that came."""
        try:
            connection, _ = self._listening.accept()
        except TimeoutError:
            raise AssertionError(f"nobody came to: {self._doom.read_text()}") from None
        pid = int(connection.recv(16))
        return Held(connection, next(one for one in fleet.workers if one.pid == pid))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listening.close()


@contextmanager
def held_row(fleet: Fleet, chat_id: str) -> Generator[None]:
    """Hold a chat's row: whoever wants to lock it waits, in the order in which they come."""
    with psycopg.connect(fleet.database_url) as connection:
        connection.execute("SELECT 1 FROM chats WHERE id = %s FOR UPDATE", (chat_id,))
        yield
        connection.rollback()


@contextmanager
def held_commit(fleet: Fleet, change: str) -> Generator[None]:
    """Hold whoever commits a change of status, as `running>waiting`; `AT_COMMIT` must be there."""
    lock = "SELECT pg_advisory_lock(42, hashtext(%s))"
    with psycopg.connect(fleet.database_url, autocommit=True) as connection:
        connection.execute(lock, (change,))
        yield


def wait_for_waiting(fleet: Fleet, count: int) -> None:
    """Return once so many connections of the fleet wait for a lock."""
    statement = (
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
        " AND cardinality(pg_blocking_pids(pid)) > 0 HAVING count(*) >= %(count)s"
    )
    eventually(lambda: fleet.rows(statement, count=count), f"{count} wait for a lock")
