"""The metrics are exactly those that the documentation lists."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from shared.metrics.metrics import Metrics, PendingCollector, PendingLoad

LISTED = {
    "stepwell_chats": ("gauge", ("state",)),
    "stepwell_message_count": ("histogram", ("provider", "model")),
    "stepwell_prompt_size_bytes": ("histogram", ("provider", "model")),
    "stepwell_tool_result_size_bytes": ("histogram", ("provider", "model", "tool_name")),
    "stepwell_tool_errors": ("counter", ("provider", "model", "tool_name")),
    "stepwell_tool_result_truncated": ("counter", ("provider", "model", "tool_name")),
    "stepwell_ttft_seconds": ("histogram", ("provider", "model")),
    "stepwell_steps": ("counter", ("provider", "model")),
    "stepwell_step_duration_seconds": ("histogram", ("stage",)),
    "stepwell_stream_retries": ("counter", ("provider", "model", "kind", "chain_broken")),
    "stepwell_compaction": ("counter", ("provider", "model", "result")),
    "stepwell_stream_buffer_dropped": ("counter", ()),
    "stepwell_stream_subscribers": ("gauge", ()),
    "stepwell_stream_cut_off": ("counter", ()),
    "stepwell_worker_consuming": ("gauge", ()),
    "stepwell_turns": ("counter", ("outcome",)),
    "stepwell_stale_deliveries": ("counter", ()),
    "stepwell_leases_lost": ("counter", ()),
    "stepwell_swept": ("counter", ("reason",)),
    "stepwell_http_requests": ("counter", ("method", "route", "status")),
    "stepwell_http_request_duration_seconds": ("histogram", ("method", "route", "status")),
    "stepwell_build_info": ("gauge", ("version",)),
}


def _buckets(registry: CollectorRegistry, name: str) -> list[str]:
    lines = generate_latest(registry).decode().splitlines()
    found = [line for line in lines if line.startswith(f"{name}_bucket")]
    return [line.split('le="')[1].split('"')[0] for line in found]


def test_every_listed_metric_has_its_type_and_nothing_else_is_there() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    assert {family.name: family.type for family in registry.collect()} == {
        name: kind for name, (kind, _) in LISTED.items()
    }


@pytest.mark.parametrize("name", LISTED)
def test_a_metric_takes_exactly_its_labels(name: str) -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    kind, labels = LISTED[name]
    short = name.removeprefix("stepwell_") + ("_total" if kind == "counter" else "")
    recorder = getattr(metrics, short)
    if labels:
        recorder.labels(**dict.fromkeys(labels, "x"))
    [family] = [family for family in registry.collect() if family.name == name]
    found = {key for sample in family.samples for key in sample.labels} - {"le"}
    assert found == set(labels)


def test_a_metric_with_labels_that_never_happened_has_no_series() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    for family in registry.collect():
        if LISTED[family.name][1]:
            assert family.samples == []


@pytest.mark.parametrize(
    ("name", "first", "last", "count"),
    [
        ("message_count", "1.0", "1024.0", 11),
        ("prompt_size_bytes", "1024.0", "2.68435456e+08", 10),
        ("tool_result_size_bytes", "64.0", "4.194304e+06", 9),
        ("ttft_seconds", "0.05", "60.0", 10),
    ],
)
def test_the_buckets_are_those_that_are_listed(
    name: str, first: str, last: str, count: int
) -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    labels = LISTED[f"stepwell_{name}"][1]
    getattr(metrics, name).labels(**dict.fromkeys(labels, "x"))
    buckets = _buckets(registry, f"stepwell_{name}")
    assert buckets[-1] == "+Inf"
    assert [buckets[0], buckets[-2], len(buckets) - 1] == [first, last, count]


def test_noop_records_without_any_registry() -> None:
    metrics = Metrics.noop()
    metrics.steps_total.labels(provider="openai", model="m").inc()
    metrics.stream_subscribers.inc()
    Metrics.noop()


def test_priming_makes_the_series_of_the_declared_models() -> None:
    registry = CollectorRegistry()
    Metrics(registry).prime([("scripted", "scripted")])
    assert (
        registry.get_sample_value(
            "stepwell_steps_total", {"provider": "scripted", "model": "scripted"}
        )
        == 0
    )


def test_waiting_chats_are_asked_for_at_each_scrape() -> None:
    answers = iter([PendingLoad(due=2, backing_off=1, oldest_seconds=1.5), None])
    registry = CollectorRegistry()
    registry.register(PendingCollector(lambda: next(answers)))
    first = generate_latest(registry).decode()
    assert 'stepwell_pending_chats{state="due"} 2.0' in first
    assert 'stepwell_pending_chats{state="backing_off"} 1.0' in first
    assert "stepwell_oldest_pending_age_seconds 1.5" in first
    # Unknown: no number is better than an old one.
    assert "pending" not in generate_latest(registry).decode()
