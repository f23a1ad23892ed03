"""The metrics of a worker: what steps, deliveries, leases and the flusher count."""

from collections.abc import Callable
from enum import StrEnum
from threading import Lock
from typing import Final

from shared.chats.model.statuses import Move
from shared.config.catalog import Model
from shared.metrics.metrics import Metrics

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


class Stage(StrEnum):
    """The parts of a step's time; together they are the step."""

    QUEUE = "queue"  # from due to begun
    BEGIN = "begin"  # the transaction that takes the lease
    PROVIDER = "provider"  # the model call
    TOOLS = "tools"  # the built-in tools
    SETTLE = "settle"  # the transaction that ends the step, and the one that commits its calls


class WorkerMetrics:
    """Writes into the metrics of this process. Safe between threads."""

    def __init__(self, metrics: Metrics, *, busy_slots: Callable[[], int]) -> None:
        """Take the metrics, and how many steps are under way."""
        self._metrics = metrics
        self._lock = Lock()
        self._streaming = 0
        metrics.chats.labels(state="streaming").set_function(lambda: self._streaming)
        metrics.chats.labels(state="waiting").set_function(
            lambda: max(busy_slots() - self._streaming, 0)
        )

    def request(self, model: Model, *, messages: int, size_bytes: int) -> None:
        """A model call with so many messages is about to be made."""
        labels = {"provider": model.provider, "model": model.name}
        self._metrics.message_count.labels(**labels).observe(messages)
        self._metrics.prompt_size_bytes.labels(**labels).observe(size_bytes)

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

    def consuming(self) -> None:
        """This worker takes deliveries from now on."""
        self._metrics.worker_consuming.set(1)

    def stale(self) -> None:
        """A delivery found nothing to do."""
        self._metrics.stale_deliveries_total.inc()

    def unreadable(self) -> None:
        """A delivery had a payload that this process can't read."""
        self._metrics.stale_deliveries_total.inc()

    def stream_buffer_dropped(self, count: int) -> None:
        """So many entries of an episode were left out of its buffer: it is full."""
        self._metrics.stream_buffer_dropped_total.inc(count)
