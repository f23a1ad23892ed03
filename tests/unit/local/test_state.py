import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from local import admin
from local.errors import LocalError
from local.state import Pids, Running, StateFolder

RUNNING = Running(
    base_url="http://127.0.0.1:8642",
    api_key="swk_x",
    worker_metrics_urls=("http://127.0.0.1:8650/metrics",),
    database_url="postgresql://a",
    redis_url="redis://b",
    pids=Pids(api=None, workers=(None,), postgres=None, redis=None),
)


def test_the_file_has_the_promised_form(tmp_path: Path) -> None:
    StateFolder(tmp_path).write(RUNNING)
    assert json.loads((tmp_path / "local.json").read_text()) == {
        "base_url": "http://127.0.0.1:8642",
        "api_key": "swk_x",
        "worker_metrics_urls": ["http://127.0.0.1:8650/metrics"],
        "database_url": "postgresql://a",
        "redis_url": "redis://b",
        "pids": {"api": None, "workers": [None], "postgres": None, "redis": None},
    }


def test_removing_twice_is_no_error(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    state.write(RUNNING)
    state.remove()
    state.remove()
    assert not (tmp_path / "local.json").exists()


def test_a_second_lock_is_refused_and_names_the_first(tmp_path: Path) -> None:
    with StateFolder(tmp_path / "state").locked():
        with pytest.raises(LocalError, match=rf"process {os.getpid()}"):
            with StateFolder(tmp_path / "state").locked():
                pass
    with StateFolder(tmp_path / "state").locked():
        pass


def test_nothing_was_left_behind_after_a_clean_stop(tmp_path: Path) -> None:
    assert StateFolder(tmp_path).left_behind() == ()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pids": {}}'])
def test_a_file_that_nobody_understands_is_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "local.json").write_text(text)
    assert StateFolder(tmp_path).left_behind() == ()


def test_the_workers_of_a_killed_supervisor_are_told(tmp_path: Path) -> None:
    pids = replace(RUNNING.pids, workers=(None, 2**22 + 1))
    StateFolder(tmp_path).write(replace(RUNNING, pids=pids))
    assert StateFolder(tmp_path).left_behind() == (2**22 + 1,)


def test_a_process_that_is_not_one_of_ours_is_left_alone(tmp_path: Path) -> None:
    pids = replace(RUNNING.pids, api=os.getpid(), workers=(os.getpid(),))
    StateFolder(tmp_path).write(replace(RUNNING, pids=pids))
    assert StateFolder(tmp_path).left_behind() == (os.getpid(),)


def test_what_runs_can_be_read(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    state.write(RUNNING)
    assert state.read() == RUNNING


@pytest.mark.parametrize("text", [None, "", '{"base_url": 1}'])
def test_where_nothing_runs_a_command_is_told_what_to_do(
    tmp_path: Path, text: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (tmp_path / "local.json").write_text(text)
    assert admin.main(["keys", "list"], {"STEPWELL_STATE_DIR": str(tmp_path)}) == 1
    assert "make run" in capsys.readouterr().err
