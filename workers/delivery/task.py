"""The task `chat.run_step`: payload in, outcome out, and the only use of Celery's retry."""

from collections.abc import Callable
from typing import Any, Protocol, cast

import structlog
from pydantic import ValidationError

from shared.broker.celery_app import App
from shared.broker.wakeup import RUN_STEP, RunStep
from shared.chats.model.ids import ChatId
from shared.chats.model.timing import LONGEST_COUNTDOWN
from workers.delivery.message_check import checked
from workers.steps.outcome import Outcome, RetryLater, Settled, Stale
from workers.worker_metrics import WorkerMetrics

_log = structlog.stdlib.get_logger()

RunStepOf = Callable[[ChatId], Outcome]


class _Task(Protocol):
    def retry(self, *, countdown: float, max_retries: None) -> Exception: ...


def register(app: App, run_step: RunStepOf, metrics: WorkerMetrics) -> None:
    """Make `chat.run_step` known to the application."""

    # Whatever arguments came: a payload of the wrong shape is acknowledged here, not by Celery.
    def deliver(task: _Task, *args: object, **_: object) -> None:
        chat_id = _read(args, metrics)
        if chat_id is not None:
            with structlog.contextvars.bound_contextvars(chat_id=str(chat_id)):
                _finish(task, _attempt(run_step, chat_id), metrics)

    options = {"name": RUN_STEP, "bind": True, "max_retries": None, "shared": False}
    strategy = staticmethod(checked(metrics.unreadable))  # it becomes an attribute of a class
    cast(Any, app).task(**options, Strategy=strategy)(deliver)


def _read(args: tuple[object, ...], metrics: WorkerMetrics) -> ChatId | None:
    try:
        return RunStep.model_validate(args[0] if args else None).chat_id
    except ValidationError as error:
        metrics.unreadable()
        _log.error("delivery.unreadable", problems=error.errors(include_input=False))
        return None


def _attempt(run_step: RunStepOf, chat_id: ChatId) -> Outcome | None:
    try:
        return run_step(chat_id)
    except Exception:
        # Acknowledged: a defect would come back at once with the message. The sweeper finds the
        # chat in its own time, and counts.
        _log.exception("delivery.failed")
        return None


def _finish(task: _Task, outcome: Outcome | None, metrics: WorkerMetrics) -> None:
    match outcome:
        case Stale():
            metrics.stale()
        case RetryLater(delay_seconds=delay) if delay <= LONGEST_COUNTDOWN.total_seconds():
            # The exact delay, not a whole number of seconds: a backing-off chat's is whole anyway,
            # and the remainder of an early delivery would be late by up to a second. Should the
            # message come a little early, begin allows for that.
            raise task.retry(countdown=max(delay, 0.0), max_retries=None)
        case RetryLater() | Settled() | None:
            return
