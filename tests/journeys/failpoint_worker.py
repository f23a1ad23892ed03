"""A worker that dies, or is held, at the crash point that a file names, and takes the file along.

`DOOM=path python -m tests.journeys.failpoint_worker`; the rest is as for `python -m workers`. The
file says `point`, or `hold point chat`: then the worker says so at the socket beside the file, and
waits for a word from there. Without one it dies.
"""

import os
import signal
import socket
import sys
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from shared.broker.celery_app import make_app
from shared.config.settings import read_settings
from shared.logs.setup import configure
from workers.failpoints import Failpoint
from workers.process.engine import make_worker_engine
from workers.process.frame import work

SOCKET: Final = "socket"
GO_ON: Final = b"go on"


def end_at(doom: Path, point: Failpoint) -> None:
    try:
        hold, at, chat_id = _read(doom)
        if at != point or _is_busy_with_another(chat_id):
            return
        # Whoever moves it is meant: the other worker lives to tell the tale.
        doom.rename(doom.with_suffix(f".{os.getpid()}"))
    except FileNotFoundError:
        return
    if not hold or not _wait_at(doom.with_name(SOCKET)):
        os.kill(os.getpid(), signal.SIGKILL)


def _read(doom: Path) -> tuple[bool, str, str | None]:
    match doom.read_text().split():
        case [at]:
            return False, at, None
        case ["hold", at, chat_id]:
            return True, at, chat_id
        case _:
            return False, "", None  # it is just being written


def _is_busy_with_another(chat_id: str | None) -> bool:
    """A late delivery of an earlier test's chat is not meant; the sweeper is busy with many."""
    busy_with = structlog.contextvars.get_contextvars().get("chat_id", chat_id)
    return chat_id is not None and busy_with != chat_id


def _wait_at(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(str(os.getpid()).encode())
        return connection.recv(16) == GO_ON


def main(doom: Path) -> int:
    settings = read_settings()
    configure(settings.log_format, settings.log_level, f"worker-{os.getpid()}")
    app = make_app(broker_url=settings.broker, concurrency=settings.worker_concurrency)
    return work(settings, app, partial(make_worker_engine, reached=partial(end_at, doom)))


if __name__ == "__main__":
    sys.exit(main(Path(os.environ["DOOM"])))
