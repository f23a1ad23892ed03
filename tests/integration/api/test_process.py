"""`python -m api` as a process."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
START_SECONDS = 20


@pytest.fixture
def port() -> int:
    """A free port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@pytest.fixture
def environment(database_url: str, redis_url: str, port: int) -> dict[str, str]:
    """What the process reads."""
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "STEPWELL_PORT": str(port),
        "STEPWELL_LOG_FORMAT": "json",
    }


def test_it_serves_until_it_is_asked_to_stop(environment: dict[str, str], port: int) -> None:
    with _running(environment) as process:
        assert _ready(port) == 200
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
    assert out == ""
    assert '"process":"api"' in err
    assert "Traceback" not in err


def test_a_stop_is_not_held_up_by_an_open_answer(environment: dict[str, str], port: int) -> None:
    with _running(environment) as process:
        _ready(port)
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)
    assert time.monotonic() - began < 8


def test_a_taken_port_is_said_plainly(environment: dict[str, str], port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        done = _run(environment)
    assert done.returncode == 1
    assert f"port {port}" in done.stderr
    assert "STEPWELL_PORT" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("DATABASE_URL", "mysql://a:hunter2@h/x", "DATABASE_URL"),
        ("STEPWELL_PORT", "many", "STEPWELL_PORT"),
        ("STEPWELL_CONFIG", "nowhere.toml", "nowhere.toml"),
        ("STEPWELL_API_POOL_SIZE", "5000", "max_connections"),
    ],
)
def test_settings_that_will_not_do_are_said_plainly(
    environment: dict[str, str], name: str, value: str, word: str
) -> None:
    done = _run({**environment, name: value})
    assert done.returncode == 1
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr


def test_it_starts_while_postgresql_is_away(environment: dict[str, str], port: int) -> None:
    away = {**environment, "DATABASE_URL": "postgresql://a:hunter2@127.0.0.1:1/x"}
    with _running(away) as process:
        assert _ready(port) == 503
        process.kill()
        _, err = process.communicate(timeout=10)
    assert "hunter2" not in err


def _run(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )


@contextmanager
def _running(environment: dict[str, str]) -> Generator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "api"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def _ready(port: int) -> int:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status
        except OSError:
            time.sleep(0.05)
        finally:
            connection.close()
    raise AssertionError("the API did not listen")
