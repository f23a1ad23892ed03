"""What `docs/tools.md` shows works as it stands, and so does the example module."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shared.config.catalog import load_catalog
from shared.tools.registry import GROUP, load_tools
from tests.journeys.fleet import Fleet

DOCUMENT = Path("docs/tools.md").read_text()
LINES = 30
TIMEOUT_SECONDS = 50


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)


def _run(command: list[str], fleet: Fleet) -> str:
    environment = {**os.environ, "BASE": fleet.apis[0].base_url, "KEY": fleet.key}
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_client_works_and_has_thirty_lines(tool_fleet: Fleet, tmp_path: Path) -> None:
    client = _blocks("python")[0]
    assert len([line for line in client.splitlines() if line]) <= LINES
    path = tmp_path / "client.py"
    path.write_text(client)
    assert _run([sys.executable, str(path)], tool_fleet) == "Take an umbrella.\n"


def test_the_same_with_curl_works(tool_fleet: Fleet) -> None:
    said = _run(["bash", "-euo", "pipefail", "-c", "".join(_blocks("sh"))], tool_fleet)
    assert [line for line in said.splitlines() if line in ("requires_action", "finished")] == [
        "requires_action",
        "finished",
    ]
    assert "Take an umbrella." in said
    assert '"tool_name":"count_words","result":2' in said
    assert "Two words." in said


def test_the_tool_that_is_shown_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shown_tools.py").write_text(_blocks("python")[1])
    # pytest leaves the type of the path open.
    monkeypatch.syspath_prepend(tmp_path)  # pyright: ignore[reportUnknownMemberType]
    tools = load_tools(["shown_tools"])
    assert tools["count_words"].function(text="one two") == 2
    assert tools["count_words"].description == "Count the words of a text."


def test_the_file_that_is_shown_brings_the_example_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools_table, packaged = _blocks("toml")
    assert GROUP in packaged
    path = tmp_path / "stepwell.toml"
    path.write_text(Path("stepwell.toml").read_text() + tools_table)
    tools = load_tools(load_catalog(path, {}).tool_modules)
    assert [*tools] == ["current_time", "count_words", "book_room", "ring_bells"]
