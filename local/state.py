"""The state folder: who may use it now, what runs from it, and what ran before a crash."""

import fcntl
import json
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import psutil
from pydantic import TypeAdapter, ValidationError

from local.commands import API, WORKER
from local.errors import LocalError
from local.machine.files import write_private

CLOCK_SECONDS = 1.0
"""How exact the recorded start of a process is, compared with the time of a file."""

END_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pids:
    """The processes; null for one that is being replaced, or is not ours to run."""

    api: int | None
    workers: tuple[int | None, ...]
    postgres: int | None
    redis: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What `local.json` tells other programs of this machine."""

    base_url: str
    api_key: str
    worker_metrics_urls: tuple[str, ...]
    database_url: str
    redis_url: str
    pids: Pids


_RUNNING = TypeAdapter(Running)


class StateFolder:
    """Everything that outlives a `make run` is in here, and readable by one user alone."""

    def __init__(self, path: Path) -> None:
        """Take the folder; `locked` makes it."""
        self.path = path

    @property
    def _file(self) -> Path:
        return self.path / "local.json"

    @contextmanager
    def locked(self) -> Generator[None]:
        """Keep every other supervisor out; a killed one's lock is gone with it."""
        # Another user may have to pass through to PostgreSQL's data, but not to list.
        self.path.mkdir(mode=0o711, parents=True, exist_ok=True)
        with (self.path / "lock").open("a+", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LocalError(self._occupied(lock)) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def write(self, running: Running) -> None:
        """Tell what runs now; a reader sees the old or the new whole."""
        write_private(self._file, json.dumps(asdict(running), indent=2) + "\n")

    def remove(self) -> None:
        """Tell that nothing runs any more."""
        self._file.unlink(missing_ok=True)

    def read(self) -> Running:
        """Return what runs now. Raise `LocalError` when nothing does."""
        try:
            return _RUNNING.validate_json(self._file.read_bytes())
        except FileNotFoundError:
            raise LocalError(
                f"nothing runs on {self.path}: start it with 'make run', or name its folder in"
                " STEPWELL_STATE_DIR"
            ) from None
        except ValidationError:
            raise LocalError(f"{self._file} can't be read: start 'make run' again") from None

    def left_behind(self) -> tuple[int, ...]:
        """The worker pids of a supervisor that was killed; its processes are ended here.

        The kernel has ended them already, where it knows death signals.
        """
        try:
            written_at = self._file.stat().st_mtime
            before = _RUNNING.validate_json(self._file.read_bytes())
        except (FileNotFoundError, ValidationError):
            return ()
        workers = tuple(pid for pid in before.pids.workers if pid is not None)
        _end([_same(pid, WORKER, written_at) for pid in workers])
        _end([_same(before.pids.api, API, written_at)])
        return workers

    def _occupied(self, lock: IO[str]) -> str:
        lock.seek(0)
        return (
            f"Stepwell runs already on {self.path} (process {lock.read() or 'unknown'}): "
            "stop that one, or set STEPWELL_STATE_DIR and STEPWELL_PORT for a second one"
        )


def _same(pid: int | None, command: tuple[str, ...], written_at: float) -> psutil.Process | None:
    """The process, if it is the one that the file told of and not a later one with its pid."""
    try:
        process = psutil.Process(pid) if pid is not None else None
        if process is None or process.create_time() > written_at + CLOCK_SECONDS:
            return None
        return process if process.cmdline()[-len(command) + 1 :] == [*command[1:]] else None
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None


def _end(processes: list[psutil.Process | None]) -> None:
    alive = [process for process in processes if process is not None]
    for process in alive:
        with suppress(psutil.NoSuchProcess):  # gone meanwhile, which is what was wanted
            process.kill()
    psutil.wait_procs(alive, timeout=END_SECONDS)
