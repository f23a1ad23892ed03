"""A real worker process whose steps do what the test wrote into a second Redis, the script.

`python -m tests.integration.broker.worker_process BROKER_URL SCRIPT_URL [SETTING=VALUE ...]`;
beside the settings there are `grace_seconds`, and `amqp=stock`, which takes kombu's own classes.
"""

import logging
import sys
from collections.abc import Callable
from typing import Any, cast

import redis
from prometheus_client import CollectorRegistry

from shared.broker.celery_app import GUARDED_AMQP, make_app
from shared.broker.dispatcher import Dispatcher
from shared.chats.model.ids import ChatId
from shared.config.settings import Settings, read_settings
from shared.metrics.metrics import Metrics
from workers.process.frame import GRACE_SECONDS, work
from workers.steps.outcome import Outcome, RetryLater, Settled, Stale
from workers.worker_metrics import WorkerMetrics

LONGEST_WAIT_SECONDS = 60
STOCK_AMQP = "celery.app.amqp:AMQP"


class NotedDeliveries(WorkerMetrics):
    """Notes what is counted of deliveries."""

    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__(Metrics.noop(), busy_slots=lambda: 0)
        self._note = note

    def stale(self) -> None:
        self._note("stale")

    def unreadable(self) -> None:
        self._note("unreadable")


class ScriptedDeps:
    """Notes what happens in lists of the script's Redis, and takes what to do from it."""

    def __init__(self, script_url: str) -> None:
        self.metrics = NotedDeliveries(self._note)
        self._script = cast(Any, redis.Redis).from_url(
            script_url, decode_responses=True, socket_timeout=None
        )
        self._held: set[ChatId] = set()

    def start(self) -> None:
        self._note("start")

    def consuming(self) -> None:
        """Nothing: its test asks for what comes of deliveries."""

    def drain(self) -> None:
        self._note("drain")
        for chat_id in tuple(self._held):
            self._script.rpush(f"go:{chat_id}", "drained")

    def stop(self) -> None:
        self._note("stop")

    def run_step(self, chat_id: ChatId) -> Outcome:
        self._note(f"run {chat_id}")
        try:
            match (cast(str | None, self._script.lpop(f"do:{chat_id}")) or "settle").split():
                case ["stale"]:
                    return Stale()
                case ["retry", delay]:
                    return RetryLater(delay_seconds=float(delay))
                case ["fail"]:
                    raise RuntimeError("a defect")
                case ["hold"]:
                    self._held.add(chat_id)
                    self._wait(chat_id)
                case ["hang"]:
                    self._wait(chat_id)
                case _:
                    pass
            return Settled()
        finally:
            self._note(f"done {chat_id}")

    def _wait(self, chat_id: ChatId) -> None:
        self._script.blpop([f"go:{chat_id}"], LONGEST_WAIT_SECONDS)

    def _note(self, what: str) -> None:
        self._script.rpush("notes", what)


def main(broker_url: str, script_url: str, *options: str) -> int:
    logging.basicConfig(level=logging.INFO)
    values = dict(option.split("=", 1) for option in options)
    amqp = STOCK_AMQP if values.pop("amqp", "") == "stock" else GUARDED_AMQP
    grace_seconds = float(values.pop("grace_seconds", GRACE_SECONDS))
    given = {f"STEPWELL_{name.upper()}": value for name, value in values.items()}
    settings = read_settings(
        {"DATABASE_URL": "postgresql://unused/unused", "REDIS_URL": broker_url, **given}
    )
    app = make_app(broker_url=settings.broker, concurrency=settings.worker_concurrency, amqp=amqp)

    def make_deps(
        settings: Settings, dispatcher: Dispatcher, registry: CollectorRegistry
    ) -> ScriptedDeps:
        return ScriptedDeps(script_url)

    return work(settings, app, make_deps, grace_seconds=grace_seconds)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
