"""What PostgreSQL and Valkey have in common here: a folder, a port, a command, a way to ask.

The supervisor starts them with `prepare`, `command` and `answers`, among its other children; a test
suite uses the same class as a context manager: `with Valkey(folder, fast=True) as server: ...`.
"""

import subprocess
import time
from abc import ABC, abstractmethod
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from local.errors import LocalError, ServerFailed
from local.machine.ports import PortChoice, random_free, remembered
from local.processes.spawn import Command, spawn, stop

START_SECONDS = 60.0
POLL_SECONDS = 0.02
START_TRIES = 5
"""Another process may take the chosen port first, and a killed server's lock lives on a moment."""

LAST_WORDS_BYTES = 2_000


class Server(ABC):
    """One server of our own on the loopback interface, with all it keeps in one folder."""

    name: str
    """Of its program, its data folder and its log."""

    def __init__(
        self, folder: Path, *, fast: bool = False, choose_port: PortChoice = random_free
    ) -> None:
        """Take the state folder, which `prepare` makes if need be; `fast` gives up durability."""
        self.folder = folder.absolute()
        self.fast = fast
        self.port = 0
        self._choose_port = choose_port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect, password included; valid after `prepare`."""

    @abstractmethod
    def prepare(self) -> None:
        """Make everything `command` needs; may be called again, and must be after a crash."""

    @abstractmethod
    def command(self) -> Command:
        """What to run; valid after `prepare`."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it takes work now: asks once, waits two seconds at most."""

    @property
    def data(self) -> Path:
        """The folder it works in."""
        return self.folder / self.name

    @property
    def pid(self) -> int:
        """The running process."""
        if self._process is None:
            raise LocalError(f"{self.name} is not started")
        return self._process.pid

    def choose_port(self) -> None:
        """Settle the port, once for all starts of this object: clients keep the URL they got."""
        if not self.port:
            self.port = remembered(self.folder / f"{self.name}.port", self._choose_port)

    def start(self, *, seconds: float = START_SECONDS) -> str:
        """Start it and wait until it answers; gives the URL. From the main thread, see `spawn`."""
        deadline = time.monotonic() + seconds
        for _ in range(START_TRIES):
            self.prepare()
            command = self.command()
            with self._log.open("ab") as log:
                self._process = spawn(command, log)
            try:
                if self._wait_ready(self._process, deadline):
                    return self.url
            except BaseException:
                self.stop()
                raise
            self.port = 0
        raise ServerFailed(self.name, f"did not start in {START_TRIES} tries", self._last_words())

    def stop(self) -> None:
        """Stop it in its own way, then by force; nothing to do when it does not run."""
        if self._process is not None:
            stop(self._process, self.command().stop)
            self._process = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    @property
    def _log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def _wait_ready(self, process: subprocess.Popen[bytes], deadline: float) -> bool:
        """Whether it answers in the end; false when it has exited instead."""
        while not self.answers():
            if process.poll() is not None:
                return False
            if time.monotonic() > deadline:
                raise ServerFailed(self.name, "does not answer in time", self._last_words())
            time.sleep(POLL_SECONDS)
        return process.poll() is None  # somebody else may answer on that port

    def _last_words(self) -> str:
        return self._log.read_bytes()[-LAST_WORDS_BYTES:].decode(errors="replace").strip()


def package_folder(package: str) -> Path:
    """Where a package's files are, without importing it."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise LocalError(f"the package {package!r} is not installed; run `make run`")
    return Path(spec.submodule_search_locations[0])
