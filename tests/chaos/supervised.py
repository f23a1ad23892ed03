"""A site under the real supervisor, with full-length times: `python -m local`, and one more API."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg

from local.machine.ports import random_free
from shared.config.settings import Settings
from tests.chaos.deployment import Part, serves
from tests.journeys.fleet import TENTH, Fleet, Process, eventually

READY_SECONDS = 120.0
STOP_SECONDS = 60.0

FULL_LENGTH = {
    name: str(Settings.model_fields[name.removeprefix("STEPWELL_").lower()].default)
    for name in TENTH
}


class SupervisedSite:
    """What the supervisor runs, it starts again; only the second API process is left to us."""

    def __init__(self, folder: Path, config: Path) -> None:
        """Start everything in this folder."""
        self._state = folder / "state"
        self._log = folder / "local.log"
        self._port = random_free()
        self._config = config
        self.surprises: list[str] = []
        self._supervisor = self._start()
        told = self._told()
        settings = {**FULL_LENGTH, "STEPWELL_CONFIG": str(config)}
        self.fleet = Fleet(
            told["database_url"], told["redis_url"], folder, settings, key=told["api_key"]
        )
        self._second = self.fleet.start_api()
        self._meet()

    def bases(self) -> Sequence[str]:
        return [f"http://127.0.0.1:{self._port}", self._second.base_url]

    def pid(self, part: Part) -> int:
        pids = self._told()["pids"]
        match part:
            case Part.FIRST_API:
                return pids["api"]
            case Part.SECOND_API:
                return self._second.pid
            case Part.FIRST_WORKER | Part.SECOND_WORKER:
                return pids["workers"][part is Part.SECOND_WORKER]
            case Part.POSTGRES:
                return pids["postgres"]
            case Part.VALKEY:
                return pids["redis"]

    def kill(self, *parts: Part, away_seconds: float = 0.0) -> None:
        with self._unwatched():
            killed = {self.pid(part) for part in parts}
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
            # An outage is a length of time, not a state that could be waited for.
            time.sleep(away_seconds)
        if Part.SECOND_API in parts:
            self._second.kill()
            self._second = self.fleet.start_api()
        self._wait_until_complete(killed)

    def wait_until_whole(self) -> None:
        self._wait_until_complete(set())

    def drain(self, part: Part) -> None:
        drained = self.pid(part)
        os.kill(drained, signal.SIGTERM)
        self._wait_until_complete({drained})

    def empty_valkey(self) -> None:
        with self._unwatched():
            killed = self.pid(Part.VALKEY)
            os.kill(killed, signal.SIGKILL)
            shutil.rmtree(self._state / "valkey" / "appendonlydir")
        self._wait_until_complete({killed})

    def kill_everything(self) -> None:
        children = psutil.Process(self._supervisor.pid).children(recursive=True)
        self._supervisor.kill()
        self._supervisor.wait()
        self._second.kill()
        psutil.wait_procs(children, timeout=STOP_SECONDS)
        (self._state / "local.json").unlink()
        self._supervisor = self._start()
        self._second = self.fleet.start_api()
        self._wait_until_complete(set())

    def stop(self) -> None:
        """End everything in order."""
        self._second.kill()
        self._supervisor.send_signal(signal.SIGTERM)
        self._supervisor.wait(STOP_SECONDS)

    @contextmanager
    def _unwatched(self) -> Generator[None]:
        """Keep the supervisor from starting again what is killed in this block."""
        self._supervisor.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._supervisor.send_signal(signal.SIGCONT)

    def _start(self) -> subprocess.Popen[bytes]:
        own = {
            "STEPWELL_STATE_DIR": str(self._state),
            "STEPWELL_PORT": str(self._port),
            "STEPWELL_CONFIG": str(self._config),
        }
        with self._log.open("ab") as log:
            supervisor = subprocess.Popen(
                [sys.executable, "-m", "local"],
                env={**os.environ, **own},
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

        def runs() -> bool:
            assert supervisor.poll() is None, self._log.read_text()[-4000:]
            return (self._state / "local.json").exists()

        eventually(runs, self._log.name, seconds=READY_SECONDS)
        return supervisor

    def _told(self) -> dict[str, Any]:
        return json.loads((self._state / "local.json").read_text())

    def _wait_until_complete(self, killed: set[int]) -> None:
        eventually(
            lambda: self._is_complete(killed), "all that was killed is back", seconds=READY_SECONDS
        )
        self._meet()

    def _is_complete(self, killed: set[int]) -> bool:
        pids = self._told()["pids"]
        workers = {*pids["workers"]}
        all_of_them = {pids["api"], pids["postgres"], pids["redis"], *workers}
        if None in all_of_them or all_of_them & killed:
            return False
        try:
            live = self.fleet.rows("SELECT pid FROM workers WHERE dead_at IS NULL")
        except psycopg.OperationalError:
            return False
        return {pid for (pid,) in live} >= workers and serves(self.bases()[0], "/readyz")

    def _meet(self) -> None:
        """Let the fleet know what the supervisor runs now."""
        urls = self._told()["worker_metrics_urls"]
        ports = [int(url.split(":")[2].split("/")[0]) for url in urls]
        self.fleet.workers = [Process(self._supervisor, port, self._log) for port in ports]
        self.fleet.apis = [Process(self._supervisor, self._port, self._log), self._second]
