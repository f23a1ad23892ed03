"""Every metric of the project: its name, its labels, its buckets. Nowhere else are any declared."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Self

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_PREFIX: Final = "stepwell"
_MODEL: Final = ("provider", "model")
_TOOL: Final = (*_MODEL, "tool_name")
_HTTP: Final = ("method", "route", "status")

UNKNOWN_TOOL: Final = "unknown"
"""The `tool_name` of a tool that the model invented."""

DYNAMIC_TOOL: Final = "dynamic"
"""The `tool_name` of every tool of a client: clients choose their names."""

_COUNTS: Final = tuple(2.0**n for n in range(11))
_PROMPT_BYTES: Final = tuple(1024.0 * 4**n for n in range(10))
_RESULT_BYTES: Final = tuple(64.0 * 4**n for n in range(9))
_TTFT: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
# From a short transaction to a model that thinks for minutes.
_STAGES: Final = (0.005, 0.01, 0.025, *_TTFT, 120.0, 300.0)
# To a long poll of a minute.
_ANSWERS: Final = (0.005, 0.01, 0.025, *_TTFT)


class Metrics:
    """The recorders of one process. Making them makes no series of those that have labels.

    `registry` None records without being exported.
    """

    def __init__(self, registry: CollectorRegistry | None) -> None:
        """Register all of them; a registry takes them once."""
        self._registry = registry
        self._declare_steps()
        self._declare_sizes()
        self._declare_engine()
        self._declare_api()
        self.build_info = self._gauge("build_info", "The version that runs; always 1.", "version")

    @classmethod
    def noop(cls) -> Self:
        """Return recorders that every caller accepts and nobody reads."""
        return cls(None)

    def prime(self, models: Iterable[tuple[str, str]]) -> None:
        """Make the series of (provider, model) pairs at 0, so that a rate has a first value."""
        for provider, model in models:
            for recorder in (self.steps_total, self.ttft_seconds):
                recorder.labels(provider=provider, model=model)
            for recorder in (self.message_count, self.prompt_size_bytes):
                recorder.labels(provider=provider, model=model)

    def _declare_steps(self) -> None:
        self.chats = self._gauge(
            "chats",
            "Steps in this worker: those that stream, those that do anything else.",
            "state",
        )
        self.steps_total = self._counter(
            "steps", "Steps that ended, each once, of those in which a model was asked.", *_MODEL
        )
        self.step_duration_seconds = self._histogram(
            "step_duration_seconds",
            "Length of a step by stage.",
            _STAGES,
            "stage",
        )
        self.ttft_seconds = self._histogram(
            "ttft_seconds", "From the request to the first part of an answer.", _TTFT, *_MODEL
        )
        self.stream_retries_total = self._counter(
            "stream_retries",
            "Attempts that failed and are repeated.",
            *_MODEL,
            "kind",
            "chain_broken",
        )
        self.compaction_total = self._counter(
            "compaction", "Compactions that ran.", *_MODEL, "result"
        )
        self.turns_total = self._counter("turns", "Turns that ended or paused.", "outcome")

    def _declare_sizes(self) -> None:
        self.message_count = self._histogram(
            "message_count", "Messages of a prompt.", _COUNTS, *_MODEL
        )
        self.prompt_size_bytes = self._histogram(
            "prompt_size_bytes", "Size of a prompt.", _PROMPT_BYTES, *_MODEL
        )
        self.tool_result_size_bytes = self._histogram(
            "tool_result_size_bytes", "Size of a tool result.", _RESULT_BYTES, *_TOOL
        )
        self.tool_errors_total = self._counter("tool_errors", "Tool runs that failed.", *_TOOL)
        self.tool_result_truncated_total = self._counter(
            "tool_result_truncated", "Tool results cut to the model's room.", *_TOOL
        )

    def _declare_engine(self) -> None:
        self.worker_consuming = self._gauge(
            "worker_consuming", "1 since this worker takes deliveries from the broker."
        )
        self.stream_buffer_dropped_total = self._counter(
            "stream_buffer_dropped", "Parts dropped from a full buffer."
        )
        self.stale_deliveries_total = self._counter(
            "stale_deliveries", "Deliveries that found nothing to do."
        )
        self.leases_lost_total = self._counter("leases_lost", "Steps that lost their chat.")
        self.swept_total = self._counter("swept", "What the sweeper put right.", "reason")

    def _declare_api(self) -> None:
        self.stream_subscribers = self._gauge("stream_subscribers", "Open streams.")
        self.stream_cut_off_total = self._counter(
            "stream_cut_off", "Streams cut off because their reader was too slow."
        )
        self.http_requests_total = self._counter("http_requests", "Requests answered.", *_HTTP)
        self.http_request_duration_seconds = self._histogram(
            "http_request_duration_seconds",
            "From the request to the start of its answer.",
            _ANSWERS,
            *_HTTP,
        )

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(name, words, labels, namespace=_PREFIX, registry=self._registry)

    def _gauge(self, name: str, words: str, *labels: str) -> Gauge:
        # "livesum" counts under prefork only: the sum over the processes that live.
        return Gauge(
            name,
            words,
            labels,
            namespace=_PREFIX,
            registry=self._registry,
            multiprocess_mode="livesum",
        )

    def _histogram(
        self, name: str, words: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(
            name, words, labels, namespace=_PREFIX, registry=self._registry, buckets=buckets
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingLoad:
    """The chats that wait for a worker; the age is over due ones, from when they became due."""

    due: int
    backing_off: int
    oldest_seconds: float


class PendingCollector(Collector):
    """Asks at each scrape how many chats wait; says nothing when the answer is not to be had."""

    def __init__(self, read: Callable[[], PendingLoad | None]) -> None:
        """Take the question; None = unknown, which is better than an old number."""
        self._read = read

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the two gauges."""
        load = self._read()
        if load is None:
            return
        chats = GaugeMetricFamily(
            f"{_PREFIX}_pending_chats", "Chats that wait for a worker.", labels=("state",)
        )
        chats.add_metric(["due"], load.due)
        chats.add_metric(["backing_off"], load.backing_off)
        yield chats
        yield GaugeMetricFamily(
            f"{_PREFIX}_oldest_pending_age_seconds",
            "For how long the oldest due chat has been due.",
            value=load.oldest_seconds,
        )

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return nothing, so that registering does not ask the database."""
        return []
