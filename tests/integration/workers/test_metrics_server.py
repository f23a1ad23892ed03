from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, Counter
from structlog.testing import capture_logs

from local.machine.ports import random_free
from workers.process.metrics_server import MetricsServer

HOST = "127.0.0.1"


def served(port: int) -> str:
    with urlopen(f"http://{HOST}:{port}/metrics", timeout=5) as answer:
        return answer.read().decode()


def test_a_registry_is_served_while_entered() -> None:
    registry = CollectorRegistry()
    Counter("steps", "Steps.", registry=registry).inc(3)
    port = random_free()
    with MetricsServer(HOST, port, registry):
        assert "steps_total 3.0" in served(port)
    with pytest.raises(OSError, match="refused"):
        served(port)


def test_a_second_worker_takes_a_later_port_and_says_which() -> None:
    port = random_free()
    with capture_logs() as logs, MetricsServer(HOST, port, CollectorRegistry()):
        with MetricsServer(HOST, port, CollectorRegistry()):
            first, second = (log["port"] for log in logs if log["event"] == "worker.metrics")
            assert first == port < second
            assert served(second) == ""


def test_an_address_that_is_not_ours_is_an_error() -> None:
    foreign = MetricsServer("192.0.2.1", random_free(), CollectorRegistry())
    with pytest.raises(OSError, match="assign"), foreign:
        pass
