"""`python -m api` as a process."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine
from uuid_utils.compat import uuid7

from api.auth import keys
from api.auth.caller import KeyId, KeyRole
from api.auth.secret import new_secret
from tests.forkserver.client import fork
from tests.integration.api.served import Client, Reply

ROOT = Path(__file__).parents[3]
START_SECONDS = 90
END_SECONDS = 30
"""Only against a hang: how fast a stop is has tests of its own."""


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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_asked_to_stop(
    environment: dict[str, str], port: int, number: signal.Signals
) -> None:
    with _running(environment) as process:
        assert _ready(port) == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=END_SECONDS)
    assert process.returncode == 0
    assert out == ""
    assert '"process":"api"' in err
    assert "Traceback" not in err


def test_a_stop_is_not_held_up_by_half_a_request(environment: dict[str, str], port: int) -> None:
    with _running(environment) as process:
        _ready(port)
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)
    assert time.monotonic() - began < 8


def test_a_stop_ends_streams_and_waiting_at_once(
    environment: dict[str, str], port: int, engine: Engine
) -> None:
    secret = new_secret()
    with engine.begin() as connection:
        keys.add(connection, KeyId(uuid7()), secret, owner="x", role=KeyRole.USER)
    with _running(environment) as process:
        _ready(port)
        client = Client(host="127.0.0.1", port=port, key=secret)
        chat = client.start()
        path = f"/v1/chats/{chat['id']}"
        replies: list[Reply] = []
        threads = [
            _asking(client, f"{path}/stream", replies),
            _asking(client, f"{path}/turns/{chat['turn_id']}?wait=60", replies),
        ]
        while b"stepwell_stream_subscribers 2.0" not in client.get("/metrics").body:
            pass
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert time.monotonic() - began < 2
        _, err = process.communicate(timeout=END_SECONDS)
    assert sorted(reply.status for reply in replies) == [200, 200]
    assert "Traceback" not in err


def test_a_taken_port_is_said_plainly(environment: dict[str, str], port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        done = subprocess.run(
            [sys.executable, "-m", "api"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
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
    environment: dict[str, str], tmp_path: Path, name: str, value: str, word: str
) -> None:
    with (tmp_path / "said").open("wb") as output:
        process = fork("api", environment={**environment, name: value}, output=output)
        assert process.wait(START_SECONDS) == 1
    said = (tmp_path / "said").read_text()
    assert word in said
    assert "Traceback" not in said
    assert "hunter2" not in said


def test_it_starts_while_postgresql_is_away(environment: dict[str, str], port: int) -> None:
    away = {**environment, "DATABASE_URL": "postgresql://a:hunter2@127.0.0.1:1/x"}
    with _running(away) as process:
        assert _ready(port) == 503
        process.kill()
        _, err = process.communicate(timeout=END_SECONDS)
    assert "hunter2" not in err


def _asking(client: Client, path: str, replies: list[Reply]) -> threading.Thread:
    thread = threading.Thread(target=lambda: replies.append(client.get(path)))
    thread.start()
    return thread


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
