"""The long-lived children: what each runs, how it is asked whether it is ready, what its end means.

Each one satisfies `keeper.Service`.
"""

import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from signal import Signals

from local.commands import API, WORKER
from local.databases.server import Server
from local.errors import LocalError
from local.machine.ports import LOOPBACK, is_free, next_free
from local.machine.probe import http_ok
from local.processes.spawn import Command, Patience
from local.settings import ChildSettings
from shared.config.settings import Settings

API_STOP_SECONDS = 10.0
END_SECONDS = 15.0
"""After its drain a worker takes ten to release what still ran; then it ends in any case."""


class OwnServer:
    """PostgreSQL or Valkey of our own."""

    tries = 5
    """Another program may take the port first; a killed server's lock needs a moment to go."""

    def __init__(self, server: Server) -> None:
        """Take the server, which nobody else starts."""
        self.name = server.name
        self._server = server

    async def prepare(self) -> None:
        """Make its data folder; a second long at the first time."""
        await asyncio.to_thread(self._server.prepare)

    def command(self) -> Command:
        """The server itself."""
        return self._server.command()

    async def answers(self) -> bool:
        """Whether it takes connections."""
        return await asyncio.to_thread(self._server.answers)

    async def ended(self, pid: int) -> None:
        """Nothing: its clients connect again."""

    def move(self) -> None:
        """Take another port at the next try, as long as nobody knows the present one."""
        self._server.port = 0


class Api:
    """The API process."""

    name = "api"
    tries = 1

    def __init__(self, settings: ChildSettings, root: Path) -> None:
        """Take what the child will read, and its import root."""
        self._settings = settings
        self._root = root

    @property
    def base_url(self) -> str:
        """Where clients begin."""
        host, port = reachable(self._settings.common.host), self._settings.common.port
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def prepare(self) -> None:
        """Make sure of the port."""
        require_port(self._settings.common)

    def command(self) -> Command:
        """The API; it stops within seconds, since a stream is resumed elsewhere."""
        return python(API, self._root, self._settings.environment, stop_seconds=API_STOP_SECONDS)

    async def answers(self) -> bool:
        """Whether it is ready, its database included."""
        common = self._settings.common
        return await http_ok(reachable(common.host), common.port, "/readyz")

    async def ended(self, pid: int) -> None:
        """Nothing: it holds nothing that another does not."""

    def move(self) -> None:
        """Stay: the port is a setting."""


class WorkerPorts:
    """The metrics ports of all workers: each keeps its own while it can."""

    def __init__(self, start: int, host: str) -> None:
        """Take the lowest port and the interface."""
        self._start = start
        self._host = host
        self._ports: dict[int, int] = {}

    def settle(self, number: int) -> int:
        """The worker's port, free at this moment, for its next start."""
        port = self._ports.get(number)
        if port is None or not is_free(port, self._host):
            taken = [other for key, other in self._ports.items() if key != number]
            port = next_free(self._start, taken, self._host)
            self._ports[number] = port
        return port


class Worker:
    """One worker process."""

    tries = 1

    def __init__(
        self,
        number: int,
        settings: ChildSettings,
        root: Path,
        *,
        ports: WorkerPorts,
        mark_dead: Callable[[int], None],
    ) -> None:
        """Take its number from 1, as `Api` its settings, and what marks a dead pid's row."""
        self.name = f"worker-{number}"
        self.port = 0
        self._number = number
        self._settings = settings
        self._root = root
        self._ports = ports
        self._mark_dead = mark_dead

    @property
    def metrics_url(self) -> str:
        """Where its metrics are."""
        host = reachable(self._settings.common.worker_metrics_host)
        return f"http://{host}:{self.port}/metrics"

    async def prepare(self) -> None:
        """Settle the metrics port."""
        self.port = self._ports.settle(self._number)

    def command(self) -> Command:
        """The worker; it drains before it stops."""
        environment = overlay(
            self._settings.environment, STEPWELL_WORKER_METRICS_PORT=str(self.port)
        )
        drain = self._settings.common.drain_seconds + END_SECONDS
        return python(WORKER, self._root, environment, stop_seconds=drain)

    async def answers(self) -> bool:
        """Whether it serves its metrics, which it does once it takes work."""
        host = reachable(self._settings.common.worker_metrics_host)
        return await http_ok(host, self.port, "/metrics")

    async def ended(self, pid: int) -> None:
        """Mark its row, so that others take over its chats now and not when it is found missing."""
        await asyncio.to_thread(self._mark_dead, pid)

    def move(self) -> None:
        """Stay: `prepare` takes another port if it must."""


def python(
    command: tuple[str, ...],
    root: Path,
    environment: Mapping[str, str],
    *,
    stop_seconds: float,
) -> Command:
    """One of `local.commands` under this interpreter.

    It dies at once with the supervisor: the database goes at that moment, so a drain would only
    wait for it, and everything it holds is taken over like that of any killed process.
    """
    return Command(
        argv=(sys.executable, *command[1:]),
        environment=environment,
        folder=root,
        death_signal=Signals.SIGKILL,
        stop=(Patience(signal=Signals.SIGTERM, seconds=stop_seconds),),
    )


def overlay(environment: Mapping[str, str], **values: str) -> dict[str, str]:
    """The environment with these values, whichever way they were given before."""
    files = {f"{name}_FILE" for name in values}
    return {**{k: v for k, v in environment.items() if k not in files}, **values}


def reachable(host: str) -> str:
    """The address to connect to for one to listen on."""
    return {"0.0.0.0": LOOPBACK, "": LOOPBACK, "::": "::1"}.get(host, host)


def require_port(settings: Settings) -> None:
    """Raise `LocalError` unless the API can listen on its port."""
    if not is_free(settings.port, settings.host):
        raise LocalError(
            f"port {settings.port} on {settings.host} is taken by another program: "
            "stop that, or set STEPWELL_PORT to a free one"
        )
