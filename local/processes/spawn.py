"""Children: how one is described, started so that it cannot outlive its parent, and stopped."""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import Signals
from typing import IO

import psutil

from local.processes import launch


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a child is: the argument `launch` takes, and the user its files belong to outside."""

    argument: str
    owner: int
    words: str

    @staticmethod
    def same() -> "Identity":
        """The parent's own user."""
        return Identity(argument=launch.SAME, owner=os.geteuid(), words="as this user")

    @staticmethod
    def user(number: int) -> "Identity":
        """Another user; only root can become one."""
        return Identity(argument=str(number), owner=number, words=f"as user {number}")

    @staticmethod
    def namespace(inside: int) -> "Identity":
        """The parent's own user, who sees itself as `inside` in a user namespace."""
        argument = f"{launch.NAMESPACE}:{inside}"
        return Identity(argument=argument, owner=os.geteuid(), words="in a user namespace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """One rung of stopping a child: a signal, and how long to wait for the end after it."""

    signal: Signals
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a child runs, and how it goes: by `death_signal` when its parent dies, by `stop` else.

    `argv[0]` is an absolute path. The last resort, SIGKILL, need not be in `stop`.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    death_signal: Signals
    stop: tuple[Patience, ...]
    identity: Identity = field(default_factory=Identity.same)

    def launched(self) -> list[str]:
        """The argument list that ends in this command with its identity and death signal."""
        script = Path(launch.__file__)
        return [
            *(sys.executable, "-I", "-S", str(script)),
            *(str(os.getpid()), str(int(self.death_signal))),
            *(self.identity.argument, str(self.folder)),
            *self.argv,
        ]


def spawn(
    command: Command, output: IO[bytes] | int, *, stdin: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """Start the child with its output in a file or, by `subprocess.PIPE`, in a pipe.

    The death signal belongs to the *thread* that spawns: call this in one that lives as long as
    the child should, the main thread as a rule.
    """
    return subprocess.Popen(
        command.launched(),
        stdin=stdin,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=dict(command.environment),
    )


def stop(process: subprocess.Popen[bytes], rungs: Iterable[Patience]) -> int:
    """End a child of ours rung by rung, at last by SIGKILL; gives its exit status."""
    for rung in rungs:
        if process.poll() is not None:
            break
        process.send_signal(rung.signal)
        try:
            return process.wait(rung.seconds)
        except subprocess.TimeoutExpired:
            continue
    else:
        process.kill()
    return process.wait()


def processes_in(name: str, folder: Path) -> list[psutil.Process]:
    """The running processes of that name that work in the folder: leftovers of a killed parent."""
    place = str(folder.resolve())
    return [process for process in psutil.process_iter() if _is(process, name, place)]


def end_leftovers(name: str, folder: Path, rungs: Iterable[Patience]) -> int:
    """End the leftovers of that name in the folder, rung by rung; gives how many there were.

    They are on their way out already where the kernel knows death signals; the wait is for them.
    """
    alive = found = processes_in(name, folder)
    for rung in (*rungs, Patience(signal=Signals.SIGKILL, seconds=5)):
        for process in alive:
            with suppress(psutil.NoSuchProcess):  # gone meanwhile, which is what was wanted
                process.send_signal(rung.signal)
        _, alive = psutil.wait_procs(alive, timeout=rung.seconds)
        if not alive:
            break
    return len(found)


def _is(process: psutil.Process, name: str, place: str) -> bool:
    try:
        return process.name() == name and process.cwd() == place
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False  # gone meanwhile, or somebody else's
