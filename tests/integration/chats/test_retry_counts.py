"""An attempt that is repeated is counted once, before anybody is told of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from prometheus_client import CollectorRegistry

from shared.chats.machine.effects import Hint
from shared.chats.model.statuses import Status
from shared.chats.moves.workers.settle import Failed
from shared.metrics.metrics import Metrics
from tests.chats import PASSING, TERMINAL, Bench
from tests.integration.chats.stateful.setups import put


@dataclass(slots=True)
class _Watcher:
    """Looks at the metrics whenever it is told of something."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    seen: list[dict[tuple[str, ...], float]] = field(
        default_factory=list[dict[tuple[str, ...], float]]
    )

    def publish(self, hints: Sequence[Hint]) -> None:
        assert hints
        samples = [sample for metric in self.registry.collect() for sample in metric.samples]
        self.seen.append(
            {
                tuple(sample.labels.values()): sample.value
                for sample in samples
                if sample.name == "stepwell_stream_retries_total"
            }
        )


def _watched(bench: Bench) -> tuple[Bench, _Watcher]:
    watcher = _Watcher()
    effects = replace(bench.machine.effects, metrics=Metrics(watcher.registry), notifier=watcher)
    return replace(bench, machine=replace(bench.machine, effects=effects)), watcher


def test_a_retry_is_counted_under_the_configured_names_before_it_is_told(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING)
    watched, watcher = _watched(bench)
    failed = Failed(failure=PASSING, provider="mine", model="fast")
    watched.settle(standing.chat_id, standing.fence, failed)
    assert watcher.seen == [{("mine", "fast", "overloaded", "false"): 1.0}]


def test_a_broken_chain_is_counted_as_one(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING)
    watched, watcher = _watched(bench)
    failed = Failed(failure=replace(PASSING, chain_broken=True), provider="p", model="m")
    watched.settle(standing.chat_id, standing.fence, failed)
    assert watcher.seen == [{("p", "m", "overloaded", "true"): 1.0}]


def test_the_last_failure_is_no_retry(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING)
    watched, watcher = _watched(bench)
    watched.settle(standing.chat_id, standing.fence, Failed(failure=TERMINAL))
    assert watcher.seen == [{}]


def test_a_failure_of_a_stopped_step_is_no_retry(bench: Bench) -> None:
    standing = put(bench, Status.INTERRUPTING)
    watched, watcher = _watched(bench)
    watched.settle(standing.chat_id, standing.fence, Failed(failure=PASSING))
    assert watcher.seen == [{}]
