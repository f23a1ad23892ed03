"""API and worker processes of a test, with every time of the state machine at a tenth."""

import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, LiteralString, Self
from urllib.parse import urlsplit

import psycopg

from local.databases.server import Server
from tests.forkserver.client import ForkedProcess, fork
from tests.journeys.replay import Replay
from tests.journeys.sse import Stream
from tests.ports import free_port

START_SECONDS = 90.0
POLL_SECONDS = 0.02

TENTH = {
    "STEPWELL_RENEWAL_SECONDS": "0.2",
    "STEPWELL_DEATH_SECONDS": "0.7",
    "STEPWELL_SWEEP_SECONDS": "0.1",
    "STEPWELL_LOST_SECONDS": "0.3",
    "STEPWELL_INTERRUPTING_SECONDS": "1.5",
    "STEPWELL_DRAIN_SECONDS": "2",
    "STEPWELL_HEARTBEAT_SECONDS": "1",
    "STEPWELL_STREAM_COMPARE_SECONDS": "1",
    "STEPWELL_WORKER_POOL_SIZE": "4",
    "STEPWELL_API_POOL_SIZE": "8",
}

CALM = {
    "STEPWELL_RENEWAL_SECONDS": "1",
    "STEPWELL_DEATH_SECONDS": "10",
    "STEPWELL_SWEEP_SECONDS": "0.5",
}
"""For fleets in which nobody dies: on a busy machine nobody is taken for dead either."""


def eventually(check: Callable[[], Any], what: str, *, seconds: float = 20.0) -> Any:
    """Ask until the answer is true; for what can only be asked for, from other processes."""
    deadline = time.monotonic() + seconds
    while not (answer := check()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(POLL_SECONDS)
    return answer


def kill_server(server: Server) -> None:
    """End a server without a word; `start` brings it back on the same port."""
    os.kill(server.pid, signal.SIGKILL)
    server.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass(slots=True)
class Process:
    """A child process with the port that it serves and the file that it logs to."""

    popen: subprocess.Popen[bytes] | ForkedProcess
    port: int
    log: Path

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def kill(self) -> None:
        """End it without a word, and wait until it is gone."""
        self.popen.kill()
        self.popen.wait()

    def alive(self) -> bool:
        return self.popen.poll() is None


@dataclass(slots=True)
class Fleet:
    """A fleet on a database and a Redis; ends with the `with` block."""

    database_url: str
    redis_url: str
    folder: Path
    settings: dict[str, str] = field(default_factory=dict[str, str])
    key: str = field(default_factory=lambda: "swk_" + secrets.token_urlsafe(32))
    worker_module: str = "workers"
    apis: list[Process] = field(default_factory=list[Process])
    workers: list[Process] = field(default_factory=list[Process])

    def __enter__(self) -> Self:
        self.manage_keys("ensure", "--owner", "alice", "--role", "user", said=self.key)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with ExitStack() as all_of_them:
            for process in [*self.apis, *self.workers]:
                all_of_them.callback(process.popen.wait)
                all_of_them.callback(process.popen.kill)

    def manage_keys(self, *arguments: str, said: str = "") -> str:
        """Run the command for keys; return what it says."""
        done = subprocess.run(
            [sys.executable, "-m", "api.admin", "keys", *arguments],
            input=said,
            env=self._environment({}),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def start_api(self) -> Process:
        """Start an API process and wait until it is ready."""
        process = self.spawn_api()
        self._wait_until_serving(process, "/readyz")
        return process

    def start_worker(self, **settings: str) -> Process:
        """Start a worker process and wait until it is registered."""
        process = self.spawn_worker(settings)
        self._wait_until_serving(process, "/metrics")
        return process

    def start(self, *, apis: int = 1, workers: int = 1) -> Self:
        """Start so many of each, together."""
        spawned = [(self.spawn_worker({}), "/metrics") for _ in range(workers)]
        spawned += [(self.spawn_api(), "/readyz") for _ in range(apis)]
        for process, path in spawned:
            self._wait_until_serving(process, path)
        return self

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: dict[str, str] | None = None,
        api: int = 0,
    ) -> Answer:
        """Ask one of the API processes; a body of bytes goes out as it is."""
        sent = {"Authorization": f"Bearer {self.key}", **(headers or {})}
        payload = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if payload is not None:
            sent["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.apis[api].port, timeout=70)
        try:
            connection.request(method, path, payload, sent)
            response = connection.getresponse()
            data = response.read()
            kind = response.getheader("Content-Type", "")
            return Answer(
                status=response.status,
                headers=dict(response.getheaders()),
                body=json.loads(data) if data and "json" in kind else data.decode(),
            )
        finally:
            connection.close()

    def ask(self, method: str, path: str, body: object = None, *, api: int = 0) -> Any:
        """Ask, expect success, return the body."""
        answer = self.call(method, path, body, api=api)
        assert 200 <= answer.status < 300, (method, path, answer)
        return answer.body

    def stream(self, path: str, *, api: int = 0, **options: Any) -> Stream:
        """Open a stream."""
        return Stream(self.apis[api].base_url, path, key=self.key, **options)

    def new_chat(self, content: str, **fields: object) -> dict[str, Any]:
        """Create a chat."""
        return self.ask("POST", "/v1/chats", {"content": content, **fields})

    def send(self, chat_id: str, content: str, **fields: object) -> dict[str, Any]:
        """Send to a chat."""
        return self.ask("POST", f"/v1/chats/{chat_id}/messages", {"content": content, **fields})

    def turn(self, chat_id: str, turn_id: str, *, wait: float = 60) -> dict[str, Any]:
        """Wait for the end of a turn."""
        deadline = time.monotonic() + wait
        while True:
            turn = self.ask("GET", f"/v1/chats/{chat_id}/turns/{turn_id}?wait=20")
            if turn["status"] not in ("queued", "active") or time.monotonic() > deadline:
                return turn

    def transcript(self, chat_id: str) -> list[dict[str, Any]]:
        """Return all messages, oldest first."""
        page = self.ask("GET", f"/v1/chats/{chat_id}/messages?after_id=0&limit=200")
        return page["items"]

    def check_agrees(self, chat_id: str, replay: Replay) -> None:
        """Assert that a client who read the stream knows what the API says at the end."""
        assert replay.faults == []
        chat = self.ask("GET", f"/v1/chats/{chat_id}")
        assert [message for _, message in sorted(replay.messages.items())] == self.transcript(
            chat_id
        )
        assert replay.queue == self.ask("GET", f"/v1/chats/{chat_id}/queue")["items"]
        assert replay.status == chat["status"]
        assert replay.title == chat["title"]
        assert replay.error_now == chat.get("last_error")
        assert replay.preview == {}

    def metric(self, process: Process, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples at one process, of those with these labels."""
        connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=10)
        try:
            connection.request("GET", "/metrics")
            lines = connection.getresponse().read().decode().splitlines()
        finally:
            connection.close()
        values = [
            float(line.rpartition(" ")[2])
            for line in lines
            if line.partition("{")[0].partition(" ")[0] == name
            and all(f'{label}="{value}"' in line for label, value in labels.items())
        ]
        return sum(values)

    def rows(self, statement: LiteralString, **values: object) -> list[tuple[Any, ...]]:
        """Ask the database itself."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(statement, values).fetchall()

    def holder(self, chat_id: str) -> Process:
        """Return the worker process that runs a chat's step, once one does."""
        statement = (
            "SELECT pid FROM workers JOIN chats ON chats.worker_id = workers.id"
            " WHERE chats.id = %(chat)s"
        )
        [(pid,)] = eventually(lambda: self.rows(statement, chat=chat_id), "a worker holds the chat")
        return next(worker for worker in self.workers if worker.pid == pid)

    def logs(self) -> str:
        """Return what all processes have logged."""
        return "".join(process.log.read_text() for process in [*self.apis, *self.workers])

    def spawn_api(self) -> Process:
        """Start an API process and do not wait for it."""
        port = free_port()
        self.apis.append(self._spawn("api", {"STEPWELL_PORT": str(port)}, port))
        return self.apis[-1]

    def spawn_worker(self, settings: dict[str, str]) -> Process:
        """Start a worker process and do not wait for it."""
        port = free_port()
        own = {"STEPWELL_WORKER_METRICS_PORT": str(port), **settings}
        self.workers.append(self._spawn(self.worker_module, own, port))
        return self.workers[-1]

    def _spawn(self, module: str, settings: dict[str, str], port: int) -> Process:
        log = self.folder / f"{module}-{port}.log"
        with log.open("ab") as output:
            popen = fork(module, environment=self._environment(settings), output=output)
        return Process(popen, port, log)

    def _environment(self, settings: dict[str, str]) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if "STEPWELL" not in name}
        urls = {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}
        return {**own, **urls, **TENTH, **self.settings, **settings}

    def _wait_until_serving(self, process: Process, path: str) -> None:
        def serves() -> bool:
            if not process.alive():
                raise AssertionError(f"the process ended: {process.log.read_text()}")
            place = urlsplit(process.base_url).netloc
            with closing(http.client.HTTPConnection(place, timeout=5)) as connection:
                try:
                    connection.request("GET", path)
                    return connection.getresponse().status == 200
                except OSError:
                    return False

        eventually(serves, f"{path} of {process.log.name}", seconds=START_SECONDS)
