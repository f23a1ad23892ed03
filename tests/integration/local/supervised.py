"""A supervisor in a process of its own, whose lines a test reads and waits for."""

import json
import os
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import Signals

import psutil
from pydantic import TypeAdapter

from local.machine.ports import random_free
from local.processes.spawn import Command, Identity
from local.state import Running
from tests.integration.local.stand_in import make_root

PROJECT = Path(__file__).parents[3]
RUNNING = TypeAdapter(Running)


class Supervised:
    """The supervisor's process."""

    def __init__(self, process: subprocess.Popen[str], state: Path) -> None:
        self.process = process
        self.state = state
        self.lines: list[str] = []

    @property
    def running(self) -> Running:
        """What `local.json` says at this moment."""
        return RUNNING.validate_json((self.state / "local.json").read_bytes())

    def until(self, text: str) -> str:
        """The next line that holds the text; fails when the supervisor ends before."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if text in line:
                return self.lines[-1]
        raise AssertionError(f"{text!r} was never said:\n" + "\n".join(self.lines))

    def until_ready(self) -> Running:
        """What runs, as soon as everything does."""
        self.until("Ctrl-C stops everything")
        return self.running

    def end(self) -> int:
        """The rest of the lines, and the exit status."""
        assert self.process.stdout is not None
        self.lines += [line.rstrip("\n") for line in self.process.stdout]
        return self.process.wait()

    def stop(self, signal: Signals = Signals.SIGTERM) -> int:
        """Stop it and await its end."""
        self.process.send_signal(signal)
        return self.end()


@contextmanager
def supervised(
    folder: Path, *environments: Mapping[str, str], identity: Identity | None = None
) -> Generator[Supervised]:
    """Start a supervisor over stand-in children."""
    root = make_root(folder / "root")
    stand_ins = ("tests.integration.local.runner", str(root))
    with started(folder, *stand_ins, environments=environments, identity=identity) as it:
        yield it


@contextmanager
def started(
    folder: Path,
    *module: str,
    environments: Sequence[Mapping[str, str]] = (),
    identity: Identity | None = None,
) -> Generator[Supervised]:
    """Start the module, with its state in the folder; it is killed in the end, if it still runs."""
    state = folder / "state"
    environment = {
        **inherited(os.environ),
        "STEPWELL_STATE_DIR": str(state),
        "STEPWELL_PORT": str(random_free()),
        "STEPWELL_WORKER_METRICS_PORT": str(random_free()),
    }
    for more in environments:
        environment |= more
    command = Command(
        argv=(sys.executable, "-m", *module),
        environment=environment,
        folder=PROJECT,
        death_signal=Signals.SIGKILL,
        stop=(),
        identity=identity or Identity.same(),
    )
    with subprocess.Popen(
        command.launched(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(command.environment),
        text=True,
    ) as process:
        try:
            yield Supervised(process, state)
        finally:
            if process.poll() is None:
                everyone = psutil.Process(process.pid).children(recursive=True)
                process.kill()
                psutil.wait_procs(everyone, timeout=20)


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """The test's own environment without what would change the supervisor."""
    ours = ("DATABASE_URL", "REDIS_URL", "STEPWELL_", "API_", "WORKER_")
    return {name: value for name, value in environ.items() if not name.startswith(ours)}


def ended(*pids: int | None) -> bool:
    """Whether these processes are gone, or go within some seconds."""
    processes = [psutil.Process(pid) for pid in pids if pid is not None and psutil.pid_exists(pid)]
    _, alive = psutil.wait_procs(processes, timeout=20)
    return not alive


def told(line: str) -> object:
    """What a stand-in command was told, by the line it printed."""
    return json.loads(line.partition("| ")[2].partition(" ")[2])
