"""What is wrong with the tools of an installation stops its processes, with a line that says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

START_SECONDS = 40
WHERE = "postgresql://nobody@127.0.0.1:1/nothing"
FILE = (
    '[providers.p]\ndialect = "scripted"\n[models.m]\nprovider = "p"\n[tools]\nmodules = ["{}"]\n'
)
CLASH = """
from shared.tools.spec import tool

@tool
def current_time() -> str:
    "Tell the time."
    return "late"
"""


@pytest.mark.parametrize(
    ("package", "module", "says"),
    [
        ("api", "no_such_tools", "folder on PYTHONPATH"),
        ("workers", "no_such_tools", "folder on PYTHONPATH"),
        ("workers", "clashing_tools", "two tools 'current_time', of Stepwell itself and of"),
    ],
)
def test_a_process_that_can_not_use_its_tools_says_why_and_ends(
    tmp_path: Path, package: str, module: str, says: str
) -> None:
    config = tmp_path / "stepwell.toml"
    config.write_text(FILE.format(module))
    (tmp_path / "clashing_tools.py").write_text(CLASH)
    ended = subprocess.run(
        [sys.executable, "-m", package],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(tmp_path),
            "DATABASE_URL": WHERE,
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "STEPWELL_CONFIG": str(config),
        },
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    assert ended.returncode != 0
    assert "Traceback" not in ended.stderr
    line = ended.stderr.splitlines()[-1]
    assert line.startswith("stepwell: the ")
    assert f"'{module}' of [tools]" in line
    assert says in line
