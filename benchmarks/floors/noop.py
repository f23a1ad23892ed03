"""A Celery worker whose only task does nothing, on a queue of its own of the same broker.

`python -m benchmarks.floors.noop BROKER_URL`; it ends when its stdin closes.
"""

import os
import signal
import sys
import time
from threading import Thread
from typing import Any, Final, cast

import redis
from celery.apps.worker import Worker  # pyright: ignore[reportMissingTypeStubs]
from kombu.entity import Exchange, Queue

from shared.broker.celery_app import App, make_app

TASK: Final = "benchmark.noop"
QUEUE: Final = "benchmark"
REPLIES: Final = "benchmark.replies"


def make_noop_app(broker_url: str) -> App:
    """Make the application of both sides: Stepwell's own settings, another queue."""
    app = make_app(broker_url=broker_url)
    queue = Queue(QUEUE, Exchange(QUEUE, "direct"), routing_key=QUEUE)
    cast(Any, app).conf.update(task_queues=(queue,), task_default_queue=QUEUE)
    return app


def main(broker_url: str) -> int:
    """Work until stdin closes."""
    replies = redis.Redis.from_url(broker_url)  # pyright: ignore[reportUnknownMemberType]  # **kwargs

    def noop(_: object) -> None:
        cast(Any, replies).rpush(REPLIES, time.monotonic_ns())

    app = make_noop_app(broker_url)
    cast(Any, app).task(name=TASK, shared=False)(noop)
    Thread(target=_end_with_stdin, daemon=True).start()
    worker = cast(Any, Worker)(
        app=app, quiet=True, without_gossip=True, without_mingle=True, without_heartbeat=True
    )
    worker.start()
    return cast(int | None, worker.exitcode) or 0


def _end_with_stdin() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
