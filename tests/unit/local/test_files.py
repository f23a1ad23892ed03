import os
import stat
from pathlib import Path

import pytest

from local.machine.files import kept, write_private


def test_a_private_file_is_readable_by_one_user(tmp_path: Path) -> None:
    write_private(tmp_path / "secret", "x")
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_private(tmp_path / "file", "old")
    write_private(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new"
    assert os.listdir(tmp_path) == ["file"]


def test_a_replacement_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_private(tmp_path / "folder", "x")
    assert os.listdir(tmp_path) == ["folder"]


def test_what_is_kept_is_made_once(tmp_path: Path) -> None:
    made = iter(["first", "second"])
    assert kept(tmp_path / "key", lambda: next(made)) == "first"
    assert kept(tmp_path / "key", lambda: next(made)) == "first"


def test_an_empty_file_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "key").touch()
    assert kept(tmp_path / "key", lambda: "made") == "made"
