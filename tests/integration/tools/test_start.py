"""What is wrong with the tools of an installation stops its workers, with a line that says so."""

import os
from pathlib import Path

import pytest

from tests.forkserver.client import fork

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
    ("module", "says"),
    [
        ("no_such_tools", "folder on PYTHONPATH"),
        ("clashing_tools", "two tools 'current_time', of Stepwell itself and of"),
    ],
)
def test_a_worker_that_can_not_use_its_tools_says_why_and_ends(
    tmp_path: Path, module: str, says: str
) -> None:
    config = tmp_path / "stepwell.toml"
    config.write_text(FILE.format(module))
    (tmp_path / "clashing_tools.py").write_text(CLASH)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(tmp_path),
        "DATABASE_URL": WHERE,
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "STEPWELL_CONFIG": str(config),
    }
    with (tmp_path / "said").open("wb") as output:
        process = fork("workers", environment=environment, output=output)
        assert process.wait(START_SECONDS) != 0
    said = (tmp_path / "said").read_text()
    assert "Traceback" not in said
    line = said.splitlines()[-1]
    assert line.startswith("stepwell: the ")
    assert f"'{module}' of [tools]" in line
    assert says in line
