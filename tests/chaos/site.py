"""Two API processes and two workers on servers of their own, each of which can be taken away."""

import shutil
import signal
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import psutil

from local.postgres import Postgres
from local.server import Server
from local.valkey import Valkey
from shared.db.engine import make_engine
from shared.db.migrate import upgrade
from tests.journeys.fleet import Fleet, Process, kill_server

APIS = 2
WORKERS = 2


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

    def bases(self) -> Sequence[str]:
        """Return where the API processes are, as far as they run."""
        ...

    def pid(self, part: Part) -> int:
        """Return the process."""
        ...

    def kill(self, *parts: Part, away_seconds: float = 0.0) -> None:
        """End these without a word, all at once; they are back, in this order, when it returns."""
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
        fleet.start(apis=APIS, workers=WORKERS)

    def bases(self) -> Sequence[str]:
        return [process.base_url for process in self.fleet.apis]

    def pid(self, part: Part) -> int:
        server = self._server(part)
        return server.pid if server else self._processes(part)[self._place(part)].pid

    def kill(self, *parts: Part, away_seconds: float = 0.0) -> None:
        killed = [part for part in parts if self._server(part) is None]
        doomed = [self._processes(part)[self._place(part)] for part in killed]
        for process in doomed:
            process.signal(signal.SIGKILL)
        for process in doomed:
            process.kill()
            self._list(process).remove(process)
        servers = [server for part in parts if (server := self._server(part))]
        for server in servers:
            kill_server(server)
        if away_seconds:
            # An outage is a length of time, not a state that could be waited for.
            time.sleep(away_seconds)
        for server in servers:
            server.start()
        apis = sum(part in (Part.FIRST_API, Part.SECOND_API) for part in killed)
        self.fleet.start(apis=apis, workers=len(killed) - apis)

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

    def _processes(self, part: Part) -> list[Process]:
        is_api = part in (Part.FIRST_API, Part.SECOND_API)
        return self.fleet.apis if is_api else self.fleet.workers

    def _place(self, part: Part) -> int:
        return 0 if part in (Part.FIRST_API, Part.FIRST_WORKER) else 1

    def _list(self, process: Process) -> list[Process]:
        return self.fleet.apis if process in self.fleet.apis else self.fleet.workers


@contextmanager
def own_site(folder: Path, config: Callable[[Path], Path], **settings: str) -> Generator[OwnSite]:
    """Start a site; its servers keep what they have through a kill."""
    with ExitStack() as stack:
        postgres = stack.enter_context(Postgres(folder / "postgres", max_connections=120))
        valkey = stack.enter_context(Valkey(folder / "valkey"))
        engine = make_engine(
            postgres.url.replace("postgresql://", "postgresql+psycopg://", 1),
            pool_size=1,
            name="migrate",
        )
        upgrade(engine)
        engine.dispose()
        own = {"STEPWELL_CONFIG": str(config(folder)), **settings}
        fleet = stack.enter_context(Fleet(postgres.url, valkey.url, folder, own))
        yield OwnSite(fleet, postgres, valkey)
