"""Writes what steps, deliveries and the flusher tell into the metrics of this process."""

from collections.abc import Callable
from threading import Lock
from typing import Final

from shared.chats.model.statuses import Move
from shared.config.catalog import Model
from shared.metrics.metrics import Metrics
from workers.providers.protocol import Request
from workers.steps.prompt.size import prompt_size
from workers.steps.recorder import Stage

_ENDS: Final = frozenset(
    {
        Move.SETTLE_FINISH,
        Move.SETTLE_MORE,
        Move.SETTLE_REQUIRE_ACTION,
        Move.SETTLE_FAIL,
        Move.FINISH_INTERRUPTION,
    }
)
"""The moves by which a step is over; after the others of a worker it is taken up once more."""


class WorkerMetrics:
    """Every recorder protocol of the worker in one. Safe between threads."""

    def __init__(self, metrics: Metrics, *, busy_slots: Callable[[], int]) -> None:
        """Take the metrics, and how many steps are under way."""
        self._metrics = metrics
        self._lock = Lock()
        self._streaming = 0
        metrics.chats.labels(state="streaming").set_function(lambda: self._streaming)
        metrics.chats.labels(state="waiting").set_function(
            lambda: max(busy_slots() - self._streaming, 0)
        )

    def request(self, model: Model, request: Request) -> None:
        """A model call is about to be made."""
        labels = {"provider": model.provider, "model": model.name}
        self._metrics.message_count.labels(**labels).observe(len(request.messages))
        self._metrics.prompt_size_bytes.labels(**labels).observe(prompt_size(request))

    def first_part(self, model: Model, seconds: float) -> None:
        """The first part came so many seconds after the opening of the request."""
        self._metrics.ttft_seconds.labels(provider=model.provider, model=model.name).observe(
            seconds
        )

    def stage(self, stage: Stage, seconds: float) -> None:
        """A stage of a step took so long."""
        self._metrics.step_duration_seconds.labels(stage=stage.value).observe(seconds)

    def streaming(self, change: int) -> None:
        """One more step streams (1), or one less (-1)."""
        with self._lock:
            self._streaming += change

    def settled(self, model: Model | None, move: Move) -> None:
        """A move was written that may have ended a step; `model` was asked in it, None = nobody."""
        if model is not None and move in _ENDS:
            self._metrics.steps_total.labels(provider=model.provider, model=model.name).inc()

    def lost(self) -> None:
        """A step lost its chat to somebody else."""
        self._metrics.leases_lost_total.inc()

    def swept(self, reason: str, count: int = 1) -> None:
        """The sweeper put something right."""
        if count:
            self._metrics.swept_total.labels(reason=reason).inc(count)

    def stale(self) -> None:
        """A delivery found nothing to do."""
        self._metrics.stale_deliveries_total.inc()

    def unreadable(self) -> None:
        """A delivery had a payload that this process can't read."""
        self._metrics.stale_deliveries_total.inc()

    def stream_buffer_dropped(self, count: int) -> None:
        """So many entries of an episode were left out of its buffer: it is full."""
        self._metrics.stream_buffer_dropped_total.inc(count)
