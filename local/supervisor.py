"""Brings everything up in order, keeps it up, and takes it down in order."""

import asyncio
import secrets
import signal
from collections.abc import Callable
from pathlib import Path

from local.banner import banner
from local.commands import ENSURE_KEY, MIGRATE
from local.errors import LocalError, StartFailed
from local.machine.files import kept
from local.machine.probe import has_sample
from local.processes.child import run_once
from local.processes.keeper import Keeper, Tools
from local.processes.output import Printer
from local.processes.together import together
from local.servers import Servers
from local.services import Api, Worker, WorkerPorts, python, require_port
from local.settings import ChildSettings, LocalSettings
from local.state import Pids, Running, StateFolder
from shared.config.settings import SettingsError

ONE_SHOT_STOP_SECONDS = 10.0

CONSUMING = "stepwell_worker_consuming 1.0"
"""What a worker's metrics say once it takes deliveries, and has logged all that it has to say."""

CONSUMING_SECONDS = 10.0
CONSUMING_POLL_SECONDS = 0.05

MarkDead = Callable[[int], None]
"""Marks the row of a worker of this machine, by its pid; tells a failure instead of raising it."""


class Supervisor:
    """Stepwell on one machine, from its start to its end."""

    def __init__(
        self,
        settings: LocalSettings,
        state: StateFolder,
        *,
        root: Path,
        printer: Printer,
        asked: asyncio.Event,
        make_mark_dead: Callable[[ChildSettings], MarkDead],
    ) -> None:
        """Take the locked state folder and the children's import root.

        Belongs to one event loop. Setting `asked` stops it, as the signals do.
        """
        self._settings = settings
        self._state = state
        self._root = root
        self._printer = printer
        self._make_mark_dead = make_mark_dead
        self._loop = asyncio.get_running_loop()
        self._asked = asked
        self._hurry = asyncio.Event()
        self._tools = Tools(
            printer=printer, clock=self._loop.time, sleep=asyncio.sleep, changed=self._publish
        )
        self._servers = Servers(settings, self._tools)
        self._api: Keeper | None = None
        self._workers: list[Keeper] = []
        self._running: Callable[[], Running] | None = None

    def ask_to_stop(self) -> None:
        """Stop everything in order; asked twice, without waiting for work in progress."""
        if self._asked.is_set():
            self._hurry.set()
        self._asked.set()

    async def run(self) -> bool:
        """Run until asked to stop; false when something needed did not start, which is said."""
        self._listen()
        work = asyncio.ensure_future(self._work())
        asked = asyncio.ensure_future(self._asked.wait())
        await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        work.cancel()
        [outcome] = await asyncio.gather(work, return_exceptions=True)
        known = isinstance(outcome, LocalError | SettingsError | OSError)
        if known:
            self._printer.say(f"cannot run: {outcome}")
        await self._stop()
        if isinstance(outcome, Exception) and not known:
            raise outcome
        return not known

    def _listen(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Under nohup a closed terminal is no reason to stop.
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                self._loop.add_signal_handler(number, self.ask_to_stop)

    async def _work(self) -> None:
        started_at = self._loop.time()
        left_behind = await asyncio.to_thread(self._state.left_behind)
        require_port(self._settings.common)  # after the one that may still hold it
        children = self._settings.of_children(await self._servers.start())
        await self._one_shot("migrate", MIGRATE, children)
        mark_dead = self._make_mark_dead(children)
        for pid in left_behind:
            await asyncio.to_thread(mark_dead, pid)
        running = self._running = await self._start_processes(children, mark_dead)
        self._publish()
        seconds = self._loop.time() - started_at
        await self._workers_ready(running())
        self._printer.raw(banner(running(), seconds, named=self._settings.named_servers))
        keepers = [self._api, *self._workers, *self._servers.keepers]
        await together(*(keeper.keep() for keeper in keepers if keeper is not None))

    async def _start_processes(
        self, children: ChildSettings, mark_dead: MarkDead
    ) -> Callable[[], Running]:
        """Start the API and the workers, with the key made known meanwhile; gives what tells."""
        key = kept(self._state.path / "dev.key", lambda: f"swk_{secrets.token_urlsafe(32)}")
        common = children.common
        ports = WorkerPorts(common.worker_metrics_port, common.worker_metrics_host)
        api = Api(children, self._root)
        workers = [
            Worker(number, children, self._root, ports=ports, mark_dead=mark_dead)
            for number in range(1, self._settings.workers + 1)
        ]
        self._api = Keeper(api, self._tools)
        self._workers = [Keeper(worker, self._tools) for worker in workers]
        await together(
            self._one_shot("key", ENSURE_KEY, children, text=f"{key}\n"),
            *(keeper.start() for keeper in (self._api, *self._workers)),
        )
        return lambda: Running(
            base_url=api.base_url,
            api_key=key,
            worker_metrics_urls=tuple(worker.metrics_url for worker in workers),
            database_url=children.database_url,
            redis_url=children.redis_url,
            pids=self._pids(),
        )

    async def _workers_ready(self, running: Running) -> None:
        """Wait until every worker takes work, and has said so; not for long."""
        deadline = self._loop.time() + CONSUMING_SECONDS
        for url in running.worker_metrics_urls:
            while not await has_sample(url, CONSUMING) and self._loop.time() < deadline:
                await asyncio.sleep(CONSUMING_POLL_SECONDS)

    async def _one_shot(
        self, name: str, command: tuple[str, ...], children: ChildSettings, *, text: str = ""
    ) -> None:
        """Run a command to its end."""
        whole = python(
            command, self._root, children.environment, stop_seconds=ONE_SHOT_STOP_SECONDS
        )
        status = await run_once(name, whole, self._printer, text=text)
        if status != 0:
            raise StartFailed(name, f"failed with exit status {status}")

    def _publish(self) -> None:
        """Tell other programs what runs now, from the moment when everything was ready."""
        if self._running is not None:
            try:
                self._state.write(self._running())
            except OSError as error:  # a full disk is no reason to stop what runs
                self._printer.say(f"local.json is out of date: {error}")

    def _pids(self) -> Pids:
        return Pids(
            api=_pid(self._api),
            workers=tuple(_pid(worker) for worker in self._workers),
            postgres=_pid(self._servers.postgres),
            redis=_pid(self._servers.redis),
        )

    async def _stop(self) -> None:
        """Take everything down: first what takes work in, last what keeps it."""
        self._running = None
        self._state.remove()
        self._printer.say("stopping; once more to stop at once")
        if self._api:
            await self._api.stop(self._hurry)
        await together(*(worker.stop(self._hurry) for worker in self._workers))
        for keeper in self._servers.keepers:
            await keeper.stop()
        self._printer.say("stopped")


def _pid(keeper: Keeper | None) -> int | None:
    return keeper.pid if keeper is not None else None
