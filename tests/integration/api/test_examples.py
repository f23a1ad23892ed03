"""The commands of `docs/api.md` run as they stand."""

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from api.auth.caller import KeyRole
from shared.config.settings import Settings
from tests.forkserver.client import ForkedProcess, fork
from tests.integration.api.served import Api

ROOT = Path(__file__).parents[3]
SETUP = 1
"""The first block finds `make run`; here the API is another one."""

WORKER_SECONDS = 20


@pytest.fixture
def answered(settings: Settings, engine: Engine, own_api: Api, tmp_path: Path) -> Iterator[Api]:
    """An API with a real worker behind it."""
    environment = {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "STEPWELL_WORKER_METRICS_PORT": str(_free_port()),
        "STEPWELL_LOG_LEVEL": "warning",
    }
    with (tmp_path / "worker.log").open("wb") as log:
        worker = fork("workers", environment=environment, output=log)
    try:
        _wait_for_worker(engine, worker)
        yield own_api
    finally:
        worker.kill()
        worker.wait()


def _blocks() -> list[str]:
    document = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    return re.findall(r"^```sh\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)


def test_the_commands_of_the_documentation_work(answered: Api) -> None:
    client = answered.caller("docs", KeyRole.ADMIN)
    lines = [
        "set -euo pipefail",
        f"BASE=http://{client.host}:{client.port}",
        f"KEY={client.key}",
    ]
    for number, block in enumerate(_blocks()[SETUP:]):
        lines += [f"echo; echo '## block {number}'", block]
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "event: turn_end" in done.stdout
    assert '"status":"finished"' in done.stdout


def test_every_route_is_in_the_documentation(api: Api) -> None:
    text_ = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for path in api.client.get("/openapi.json").json["paths"]:
        last = [word for word in path.split("/") if word and not word.startswith("{")][-1]
        assert last in text_, path


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def _wait_for_worker(engine: Engine, worker: ForkedProcess) -> None:
    deadline = time.monotonic() + WORKER_SECONDS
    while time.monotonic() < deadline:
        with engine.connect() as connection:
            if connection.execute(text("SELECT count(*) FROM workers")).scalar_one():
                return
        assert worker.poll() is None, "the worker ended"
        time.sleep(0.05)
    raise AssertionError("the worker did not register")
