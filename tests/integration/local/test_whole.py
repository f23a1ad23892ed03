"""The real API and the real workers under the real supervisor: what `make run` is."""

import json
import urllib.request
from pathlib import Path

import psutil
import psycopg
import pytest
from pydantic import BaseModel

from local import admin
from local.state import Running
from tests.integration.local.supervised import ended, started

ONE_WORKER = {"STEPWELL_WORKERS": "1"}


class Chat(BaseModel):
    id: str
    turn_id: str


class Turn(BaseModel):
    status: str
    answer_message_id: int | None = None


def call(running: Running, method: str, path: str, body: object = None) -> bytes:
    request = urllib.request.Request(
        f"{running.base_url}/v1{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {running.api_key}",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=50) as response:
        return response.read()


def ask(running: Running) -> Chat:
    return Chat.model_validate_json(call(running, "POST", "/chats", {"content": "Hello!"}))


def outcome(running: Running, chat: Chat) -> Turn:
    path = f"/chats/{chat.id}/turns/{chat.turn_id}?wait=40"
    return Turn.model_validate_json(call(running, "GET", path))


def test_a_chat_is_answered_and_a_dead_worker_is_marked_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"STEPWELL_STATE_DIR": str(tmp_path / "state")}
    with started(tmp_path, "local") as it:
        running = it.until_ready()
        assert outcome(running, ask(running)).status == "finished"
        assert admin.main(["keys", "create", "--owner", "ann"], environ) == 0
        assert capsys.readouterr().out.startswith("swk_")
        worker = running.pids.workers[0]
        psutil.Process(worker).kill()
        it.until("worker-1 ended")
        with psycopg.connect(running.database_url) as connection:
            dead = connection.execute(
                "SELECT dead_at IS NOT NULL FROM workers WHERE pid = %s", [worker]
            )
            assert dead.fetchone() == (True,)
        assert outcome(running, ask(running)).status == "finished"
        pids = it.running.pids
        assert it.stop() == 0
        assert ended(pids.api, *pids.workers, pids.postgres, pids.redis)


def test_an_unfinished_chat_goes_on_at_the_next_start(tmp_path: Path) -> None:
    with started(tmp_path, "local", environments=[ONE_WORKER]) as it:
        running = it.until_ready()
        chat = ask(running)
        it.process.kill()
        it.end()
    with started(tmp_path, "local", environments=[ONE_WORKER]) as it:
        running = it.until_ready()
        turn = outcome(running, chat)
        assert turn.status == "finished"
        assert turn.answer_message_id is not None
