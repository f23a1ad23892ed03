"""Worker processes of the tests, and the script that tells their steps what to do."""

import os
import signal
import time
from queue import Queue
from threading import Thread
from types import TracebackType
from typing import Any, Self, cast
from uuid import uuid4

import redis

from local.machine.ports import random_free
from shared.chats.model.ids import ChatId
from tests.forkserver.client import fork

PATIENCE_SECONDS = 20.0


def new_chat() -> ChatId:
    return ChatId(uuid4())


class Script:
    """What steps shall do, and what they noted; in a Redis that is not the broker."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._redis: Any = cast(Any, redis.Redis).from_url(
            url, decode_responses=True, socket_timeout=None
        )
        self._seen: list[str] = []

    def tell(self, chat_id: ChatId, *deeds: str) -> None:
        """Let the next deliveries of the chat do this: settle, stale, fail, hold, retry N."""
        self._redis.rpush(f"do:{chat_id}", *deeds)

    def let_go(self, chat_id: ChatId) -> None:
        """End the step that holds."""
        self._redis.rpush(f"go:{chat_id}", "go")

    def wait_for(self, note: str, seconds: float = PATIENCE_SECONDS) -> float:
        """Wait until a worker notes this; give how long that took. Every note is seen once."""
        started = time.monotonic()
        while note not in self._seen:
            left = seconds - (time.monotonic() - started)
            got = self._redis.blpop(["notes"], max(left, 0.01))
            if got is None:
                raise TimeoutError(f"no {note!r} in {seconds} s, but {self._seen}")
            self._seen.append(got[1])
        self._seen.remove(note)
        return time.monotonic() - started

    def notes(self) -> list[str]:
        """Take what is noted and not yet seen."""
        new: list[str] = self._redis.lrange("notes", 0, -1)
        self._redis.ltrim("notes", len(new), -1)
        self._seen, notes = [], self._seen + new
        return notes

    def __enter__(self) -> Self:
        self._redis.flushdb()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._redis.close()


class Broker:
    """What is in the broker, seen from outside."""

    def __init__(self, url: str) -> None:
        self._url = url

    def length(self, queue: str) -> int:
        with self._connect() as client:
            return client.llen(queue)

    def unacknowledged(self) -> int:
        with self._connect() as client:
            return client.hlen("unacked")

    def put(self, queue: str, message: bytes) -> None:
        with self._connect() as client:
            client.lpush(queue, message)

    def _connect(self) -> Any:
        return cast(Any, redis.Redis).from_url(self._url)


class WorkerProcess:
    """One real worker, started and registered; killed at the end if it is still there."""

    def __init__(self, broker_url: str, script: Script, **options: object) -> None:
        options = {"worker_metrics_port": random_free(), "worker_concurrency": 4, **options}
        self._script = script
        self._lines: Queue[str] = Queue()
        self._arguments = [
            *("tests.integration.broker.worker_process", broker_url, script.url),
            *(f"{name}={value}" for name, value in options.items()),
        ]

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def wait_for_line(self, words: str) -> None:
        """Read its log up to the line with these words."""
        while words not in (line := self._lines.get(timeout=PATIENCE_SECONDS)):
            assert line, f"the worker ended without {words!r}"

    def wait_until_ready(self) -> None:
        """Wait until it consumes."""
        self.wait_for_line(" ready.")

    def end_gracefully(self) -> None:
        """Ask it to end, and see that it acknowledged and left in order."""
        self.send(signal.SIGTERM)
        assert self.wait() == 0

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Its exit status, once it has ended."""
        return self.process.wait(seconds)

    def __enter__(self) -> Self:
        reading, writing = os.pipe()
        with open(writing, "wb") as output:
            self.process = fork(*self._arguments, environment=os.environ, output=output)
        self._reader = Thread(target=self._read, args=[reading])
        self._reader.start()
        self._script.wait_for("start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.is_alive:
            self.process.kill()
        self.process.wait()
        self._reader.join()

    def _read(self, output: int) -> None:
        # Always: a worker that nobody reads from stops at a full pipe.
        with open(output, encoding="utf-8") as log:
            for line in log:
                print(line, end="")  # for the report of a test that fails
                self._lines.put(line)
        self._lines.put("")
