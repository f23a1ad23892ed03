"""Keys from the command line."""

import io
import subprocess
import sys
from uuid import uuid4

import pytest

from api.admin import main
from tests.integration.api.served import Api

KEY = "swk_" + "k" * 43


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    # No Redis: keys are in the database.
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.delenv("REDIS_URL", raising=False)


def _said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main(["keys", *arguments]) == 0
    return capsys.readouterr().out


def _ensure(monkeypatch: pytest.MonkeyPatch, text: str, *arguments: str) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    return main(["keys", "ensure", *arguments])


def test_a_created_key_is_shown_once_and_opens_the_api(
    own_api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = _said(capsys, "create", "--owner", "ann").strip()
    assert own_api.client.with_key(secret).start()["owner"] == "ann"
    listed = _said(capsys, "list")
    assert secret not in listed
    assert "\tuser\tann\tlive\t" in listed


def test_a_revoked_key_ends(own_api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    secret = _said(capsys, "create", "--owner", "ann").strip()
    key_id = _said(capsys, "list").split("\t")[0]
    _said(capsys, "revoke", key_id)
    assert own_api.client.with_key(secret).get("/v1/chats").code == "unauthenticated"
    assert "revoked" in _said(capsys, "list")
    assert main(["keys", "revoke", key_id]) == 1


def test_a_rotated_key_keeps_its_id_and_owner(
    own_api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    old = _said(capsys, "create", "--owner", "ann", "--role", "admin").strip()
    key_id = _said(capsys, "list").split("\t")[0]
    new = _said(capsys, "rotate", key_id).strip()
    assert own_api.client.with_key(new).get("/v1/chats").status == 200
    assert own_api.client.with_key(old).get("/v1/chats").status == 401
    assert _said(capsys, "list").startswith(f"{key_id}\t")


def test_ensuring_a_key_twice_changes_nothing(
    own_api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert _ensure(monkeypatch, f"{KEY}\n", "--owner", "dev", "--role", "admin") == 0
    assert len(_said(capsys, "list").splitlines()) == 1
    assert own_api.client.with_key(KEY).get("/v1/chats").status == 200


def test_ensuring_a_revoked_key_brings_it_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _ensure(monkeypatch, KEY, "--owner", "dev")
    _said(capsys, "revoke", _said(capsys, "list").split("\t")[0])
    _ensure(monkeypatch, KEY, "--owner", "dev")
    assert "\tlive\t" in _said(capsys, "list")


def test_a_bad_key_is_refused_and_never_repeated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _ensure(monkeypatch, "hunter2\n", "--owner", "dev") == 1
    caught = capsys.readouterr()
    assert "swk_" in caught.err
    assert "hunter2" not in caught.out + caught.err


def test_an_unknown_id_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "rotate", str(uuid4())]) == 1
    assert "keys list" in capsys.readouterr().err


def test_the_module_runs_as_a_command() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "api.admin", "keys", "create", "--owner", "ann"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.startswith("swk_")
    assert ended.stderr == ""
