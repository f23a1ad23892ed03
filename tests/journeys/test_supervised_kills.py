"""The same kills as a fleet of `make run` meets them: real times, a supervisor that restarts."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from local.machine.ports import random_free
from tests.journeys.fleet import Fleet, Process, eventually
from tests.journeys.test_kills import FULL, LONGEST_SILENCE_SECONDS, check_chat, start_chat

READY_SECONDS = 90.0
PAUSE_SECONDS = (0.5, 3.0)
WORKERS = 2


class Supervised:
    """`python -m local` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.log = folder / "local.log"
        port = random_free()
        own = {"STEPWELL_STATE_DIR": str(self.state), "STEPWELL_PORT": str(port)}
        started = time.monotonic()
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "local"],
                env={**os.environ, **own},
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        eventually(self.running, self.log.name, seconds=READY_SECONDS)
        self.ready_seconds = time.monotonic() - started
        told = self.told()
        self.fleet = Fleet(
            told["database_url"],
            told["redis_url"],
            folder,
            key=told["api_key"],
            apis=[Process(self.popen, port, self.log)],
        )

    def running(self) -> bool:
        if self.popen.poll() is not None:
            raise AssertionError(self.log.read_text())
        return (self.state / "local.json").exists()

    def told(self) -> dict[str, Any]:
        return json.loads((self.state / "local.json").read_text())

    def workers(self) -> list[int]:
        """Return the pids of the workers that run; one that is being replaced has none."""
        return [pid for pid in self.told()["pids"]["workers"] if pid is not None]

    def complete(self) -> bool:
        """Say whether every worker is there and takes work."""
        pids = self.workers()
        live = self.fleet.rows("SELECT pid FROM workers WHERE dead_at IS NULL")
        return len(pids) == WORKERS and {pid for (pid,) in live} >= set(pids)

    def stop(self) -> None:
        self.popen.send_signal(signal.SIGTERM)
        self.popen.wait(60)


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    started = Supervised(tmp_path)
    yield started
    started.stop()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_turn_is_answered_once_under_the_supervisor(supervised: Supervised) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}, ready after {supervised.ready_seconds:.1f} s")
    dice = random.Random(seed)
    fleet = supervised.fleet
    with ExitStack() as stack:
        chats = [start_chat(fleet, dice, stack, FULL.turns) for _ in range(FULL.chats)]
        for _ in range(FULL.kills):
            # The pause is part of the load: it spreads the kills over the steps.
            time.sleep(dice.uniform(*PAUSE_SECONDS))
            eventually(supervised.complete, "both workers are registered", seconds=READY_SECONDS)
            os.kill(dice.choice(supervised.workers()), signal.SIGKILL)
        for chat in chats:
            chat.stream.wait_for_end(240)
    for chat in chats:
        check_chat(fleet, chat)
    longest = max(chat.stream.longest_silence() for chat in chats)
    print(f"longest silence {longest:.2f} s")
    assert longest < LONGEST_SILENCE_SECONDS
    assert fleet.rows("SELECT id FROM chats WHERE lease_id IS NOT NULL") == []
