"""Stepwell itself, as `make run` starts it: durable, in a folder of its own, one API."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from signal import Signals
from types import TracebackType
from typing import Self

from pydantic import TypeAdapter

from benchmarks.load.jobs import Request
from local.machine.ports import random_free
from local.processes.spawn import Command, Patience, spawn, stop
from local.state import Running

ROOT = Path(__file__).parent.parent

WORKERS = 2

CONCURRENCY = 300
"""Steps a worker takes at once: 500 held streams and some room on two workers."""

START_SECONDS = 60.0
POLL_SECONDS = 0.05
STOP = (Patience(signal=Signals.SIGTERM, seconds=60), Patience(signal=Signals.SIGTERM, seconds=30))

_RUNNING = TypeAdapter(Running)


class StackFailed(Exception):
    """Stepwell did not start; the text is the end of its log."""


class Stack:
    """`python -m local` with a fake model; ends with the `with` block, or with this process."""

    def __init__(self, folder: Path, *, model_port: int, models: tuple[str, ...]) -> None:
        """Take an empty folder, and what the fake model is to be asked for."""
        self._folder = folder
        self._log = folder / "log"
        self._config = folder / "stepwell.toml"
        self._config.write_text(declare(model_port, models), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None
        self._running: Running | None = None

    @property
    def running(self) -> Running:
        """Its addresses, its key and its processes."""
        assert self._running is not None
        return self._running

    def turn(self, model: str, content: str = "Hello") -> Request:
        """The request that creates a chat and answers with the stream of its first turn."""
        return self.request("/v1/chats", content=content, model=model)

    def request(self, path: str, **fields: str) -> Request:
        """A POST that answers with a stream."""
        headers = {**self.headers, "accept": "text/event-stream"}
        return Request(port=self.port, path=path, headers=headers, body=json.dumps(fields))

    def stream(self, path: str) -> Request:
        """A GET of a stream."""
        return Request(port=self.port, path=path, method="GET", headers=self.headers)

    @property
    def headers(self) -> dict[str, str]:
        """What lets a client in."""
        return {"authorization": f"Bearer {self.running.api_key}"}

    @property
    def port(self) -> int:
        """Of the API."""
        return int(self.running.base_url.rpartition(":")[2])

    def __enter__(self) -> Self:
        """Start everything and wait until it is ready. Raises `StackFailed`."""
        with self._log.open("ab") as log:
            self._process = spawn(self._command(), log)
        try:
            self._running = self._wait()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everything."""
        self._stop()

    def _command(self) -> Command:
        settings = {
            "STEPWELL_STATE_DIR": str(self._folder / "state"),
            "STEPWELL_CONFIG": str(self._config),
            "STEPWELL_PORT": str(random_free()),
            "STEPWELL_WORKERS": str(WORKERS),
            "STEPWELL_WORKER_CONCURRENCY": str(CONCURRENCY),
        }
        return Command(
            argv=(sys.executable, "-m", "local"),
            environment={"PATH": os.defpath, **settings},
            folder=ROOT,
            death_signal=Signals.SIGTERM,
            stop=STOP,
        )

    def _wait(self) -> Running:
        assert self._process is not None
        told = self._folder / "state" / "local.json"
        deadline = time.monotonic() + START_SECONDS
        while not told.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise StackFailed(self._log.read_text(errors="replace")[-4000:])
            time.sleep(POLL_SECONDS)
        return _RUNNING.validate_json(told.read_bytes())

    def _stop(self) -> None:
        if self._process is not None:
            stop(self._process, STOP)


def declare(port: int, models: tuple[str, ...]) -> str:
    """Write the `stepwell.toml` whose models are those of the fake model server."""
    provider = (
        f'[providers.fake]\ndialect = "openai-chat"\nbase_url = "http://127.0.0.1:{port}/v1"\n'
        'api_key = "none"\n'
    )
    return provider + "".join(f'[models."{name}"]\nprovider = "fake"\n' for name in models)
