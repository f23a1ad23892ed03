"""Two API processes and two workers on servers of their own, each of which can be taken away."""

import http.client
import shutil
import signal
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import psutil

from local.databases.postgres import Postgres
from local.databases.server import Server
from local.databases.valkey import Valkey
from tests.journeys.fleet import START_SECONDS, Fleet, Process, eventually, kill_server
from tests.servers import migrate

APIS = 2
WORKERS = 2
END_SECONDS = 60

REGISTERED = "worker.metrics"
"""What a worker logs once it is registered; before, it ends when it finds no PostgreSQL."""

LAST_WORDS = 4_000


class Part(StrEnum):
    """What can fail."""

    FIRST_API = "the first API process"
    SECOND_API = "the second API process"
    FIRST_WORKER = "the first worker"
    SECOND_WORKER = "the second worker"
    POSTGRES = "PostgreSQL"
    VALKEY = "Valkey"


APIS_AND_WORKERS = (Part.FIRST_API, Part.SECOND_API, Part.FIRST_WORKER, Part.SECOND_WORKER)


class Site(Protocol):
    """Everything that can fail, and the fleet to ask. All of it from the main thread."""

    fleet: Fleet
    surprises: list[str]
    """The last words of processes that ended by themselves."""

    def bases(self) -> Sequence[str]:
        """Return where the API processes are, as far as they run."""
        ...

    def pid(self, part: Part) -> int:
        """Return the process."""
        ...

    def kill(self, *parts: Part, away_seconds: float = 0.0) -> None:
        """End these without a word, all at once; they are on their way back when it returns."""
        ...

    def wait_until_whole(self) -> None:
        """Wait until everything runs and serves."""
        ...

    def drain(self, part: Part) -> None:
        """Let a worker end in its own way; another one is on its way when this returns."""
        ...

    def empty_valkey(self) -> None:
        """Kill Valkey and start it again without its data."""
        ...

    def kill_everything(self) -> None:
        """End all that runs and start it again with its data."""
        ...


@contextmanager
def frozen(site: Site, part: Part) -> Generator[None]:
    """Stop a part of the site in mid-instruction, with its children, for this block."""
    stopped: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):  # it ended at its start
        process = psutil.Process(site.pid(part))
        stopped = [process, *process.children(recursive=True)]
    for one in stopped:
        with suppress(psutil.NoSuchProcess):
            one.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for one in stopped:
            with suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGCONT)


class OwnSite:
    """A fleet that this process starts and starts again."""

    def __init__(self, fleet: Fleet, postgres: Postgres, valkey: Valkey) -> None:
        """Take servers that run and a fleet that does not yet."""
        self.fleet = fleet
        self.postgres = postgres
        self.valkey = valkey
        self.surprises: list[str] = []
        fleet.start(apis=APIS, workers=WORKERS)

    def bases(self) -> Sequence[str]:
        return [process.base_url for process in self.fleet.apis]

    def pid(self, part: Part) -> int:
        server = self._server(part)
        return server.pid if server else self._process(part).pid

    def kill(self, *parts: Part, away_seconds: float = 0.0) -> None:
        self._tend()
        doomed = [self._process(part) for part in parts if self._server(part) is None]
        for process in doomed:
            process.signal(signal.SIGKILL)
        for process in doomed:
            process.kill()
            self._replace(process)
        servers = [server for part in parts if (server := self._server(part))]
        for server in servers:
            kill_server(server)
        if away_seconds:
            # An outage is a length of time, not a state that could be waited for.
            time.sleep(away_seconds)
        for server in servers:
            server.start()

    def drain(self, part: Part) -> None:
        self._tend()
        worker = self._process(part)
        worker.signal(signal.SIGTERM)
        worker.popen.wait(END_SECONDS)
        self._replace(worker)

    def wait_until_whole(self) -> None:
        eventually(self._is_whole, "everything serves", seconds=START_SECONDS)

    def empty_valkey(self) -> None:
        kill_server(self.valkey)
        shutil.rmtree(self.valkey.data / "appendonlydir")
        self.valkey.start()

    def kill_everything(self) -> None:
        self.kill(*APIS_AND_WORKERS, Part.POSTGRES, Part.VALKEY)

    def _server(self, part: Part) -> Server | None:
        match part:
            case Part.POSTGRES:
                return self.postgres
            case Part.VALKEY:
                return self.valkey
            case _:
                return None

    def _process(self, part: Part) -> Process:
        first = part in (Part.FIRST_API, Part.FIRST_WORKER)
        is_api = part in (Part.FIRST_API, Part.SECOND_API)
        return (self.fleet.apis if is_api else self.fleet.workers)[not first]

    def _replace(self, process: Process) -> None:
        if process in self.fleet.apis:
            self.fleet.apis.remove(process)
            self.fleet.spawn_api()
        else:
            self.fleet.workers.remove(process)
            self.fleet.spawn_worker({})

    def _tend(self) -> None:
        """Start again what has ended by itself, which a worker may do at its start only."""
        for process in [*self.fleet.apis, *self.fleet.workers]:
            if not process.alive():
                said = process.log.read_text()
                if process in self.fleet.apis or REGISTERED in said:
                    self.surprises.append(f"{process.log.name} ended: {said[-LAST_WORDS:]}")
                self._replace(process)

    def _is_whole(self) -> bool:
        self._tend()
        return all(
            [
                *(serves(process.base_url, "/readyz") for process in self.fleet.apis),
                *(serves(process.base_url, "/metrics") for process in self.fleet.workers),
            ]
        )


def serves(base_url: str, path: str) -> bool:
    """Say whether a process answers there, and well."""
    connection = http.client.HTTPConnection(urlsplit(base_url).netloc, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@contextmanager
def own_site(folder: Path, config: Callable[[Path], Path], **settings: str) -> Generator[OwnSite]:
    """Start a site; its servers keep what they have through a kill."""
    with ExitStack() as stack:
        postgres = stack.enter_context(Postgres(folder / "postgres", max_connections=120))
        valkey = stack.enter_context(Valkey(folder / "valkey"))
        migrate(postgres.url)
        own = {"STEPWELL_CONFIG": str(config(folder)), **settings}
        fleet = stack.enter_context(Fleet(postgres.url, valkey.url, folder, own))
        yield OwnSite(fleet, postgres, valkey)
