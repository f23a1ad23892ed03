from pathlib import Path
from signal import Signals

import pytest

from local.processes.spawn import Patience
from local.services import Api, Worker, WorkerPorts, overlay, reachable
from local.settings import read_local_settings

URLS = {
    "STEPWELL_DATABASE_URL": "postgresql://a:b@127.0.0.1:1/c",
    "STEPWELL_REDIS_URL": "redis://:p@127.0.0.1:2/0",
}
EMPTY = Path("/nonexistent")
CHILDREN = read_local_settings({}, EMPTY).of_children(URLS)


def test_the_api_stops_before_long_and_dies_with_the_supervisor(tmp_path: Path) -> None:
    command = Api(CHILDREN, tmp_path).command()
    assert command.argv[1:] == ("-m", "api")
    assert command.folder == tmp_path
    assert command.stop == (Patience(signal=Signals.SIGTERM, seconds=10),)
    assert command.death_signal == Signals.SIGKILL


def test_a_worker_has_time_to_drain_and_to_release_what_still_runs(tmp_path: Path) -> None:
    ports = WorkerPorts(8650, "127.0.0.1")
    command = Worker(1, CHILDREN, tmp_path, ports=ports, mark_dead=print).command()
    assert command.argv[1:] == ("-m", "workers")
    [patience] = command.stop
    assert patience.signal == Signals.SIGTERM
    assert patience.seconds >= CHILDREN.common.drain_seconds + 10


def test_a_value_replaces_the_file_that_named_one() -> None:
    assert overlay({"A_FILE": "/secret", "B": "1"}, A="2") == {"A": "2", "B": "1"}


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("box", "box")],
)
def test_a_server_on_every_interface_is_reached_on_the_loopback_one(
    host: str, address: str
) -> None:
    assert reachable(host) == address


@pytest.mark.parametrize(
    ("host", "url"), [("0.0.0.0", "http://127.0.0.1:8642"), ("::", "http://[::1]:8642")]
)
def test_the_base_url_is_one_that_can_be_called(host: str, url: str, tmp_path: Path) -> None:
    children = read_local_settings({"STEPWELL_HOST": host}, EMPTY).of_children(URLS)
    assert Api(children, tmp_path).base_url == url
