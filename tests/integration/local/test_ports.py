import random
import socket
from pathlib import Path

from local.machine.ports import RANGE, is_free, next_free, random_free, remembered
from local.services import WorkerPorts


def taken() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", random_free()))
    listener.listen()
    return listener


def test_a_port_with_a_listener_is_taken() -> None:
    with taken() as listener:
        port = listener.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)


def test_a_free_port_lies_below_the_ephemeral_ones() -> None:
    assert {random_free(random.Random(seed)) in RANGE for seed in range(5)} == {True}


def test_the_next_free_port_passes_over_listeners_and_plans() -> None:
    with taken() as listener:
        port = listener.getsockname()[1]
        assert next_free(port, {port + 1}) >= port + 2


def test_a_port_is_remembered_while_it_is_free(tmp_path: Path) -> None:
    file = tmp_path / "port"
    port = remembered(file)
    assert remembered(file) == port
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen()
        other = remembered(file)
        assert other != port
    assert remembered(file) == other


def test_a_file_without_a_port_is_written_anew(tmp_path: Path) -> None:
    file = tmp_path / "port"
    file.write_text("none\n")
    assert remembered(file, lambda: 20_001) == 20_001
    assert file.read_text() == "20001\n"


def test_every_worker_keeps_its_own_port_while_it_can() -> None:
    start = random_free()
    ports = WorkerPorts(start, "127.0.0.1")
    first, second = ports.settle(1), ports.settle(2)
    assert start <= first < second
    assert ports.settle(1) == first
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", first))
        listener.listen()
        assert ports.settle(1) not in (first, second)
