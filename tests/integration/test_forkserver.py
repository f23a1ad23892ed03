import os
import signal
import subprocess
import threading
from pathlib import Path

import psutil
import pytest

from tests.forkserver.client import ForkedProcess, fork
from tests.journeys.fleet import eventually
from tests.ports import free_port

NOBODY = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    "REDIS_URL": "redis://127.0.0.1:1",
}


def start(environment: dict[str, str], log: Path) -> ForkedProcess:
    with log.open("wb") as output:
        return fork("api", environment=environment, output=output)


def running(log: Path) -> ForkedProcess:
    process = start({**NOBODY, "STEPWELL_PORT": str(free_port())}, log)
    eventually(lambda: "api.database_away" in log.read_text(), "it has begun")
    return process


def test_it_has_the_status_and_the_words_of_a_start_by_hand(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = start({"PATH": os.environ["PATH"]}, log)
    assert process.wait(30) == process.poll() == 1
    assert "the API did not start: " in log.read_text()


def test_it_ends_by_a_signal_as_any_process(tmp_path: Path) -> None:
    process = running(tmp_path / "log")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0)
    waiting = threading.Thread(target=process.wait)
    waiting.start()
    process.kill()
    assert process.wait(30) == -signal.SIGKILL
    waiting.join(30)
    assert not waiting.is_alive()


def test_it_goes_with_its_keeper(tmp_path: Path) -> None:
    process = running(tmp_path / "log")
    keeper = psutil.Process(process.pid).parent()
    assert keeper is not None
    keeper.kill()
    assert process.wait(30) == -signal.SIGKILL
    eventually(lambda: not psutil.pid_exists(process.pid), "it is gone too")
