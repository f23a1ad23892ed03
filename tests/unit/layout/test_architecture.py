"""docs/architecture.md is true: its diagram, its map and every path that it names."""

import re
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Final

import pytest

from shared.chats.rules.transitions import TABLE

TEXT: Final = Path("docs/architecture.md").read_text()

PACKAGES: Final = ("api", "workers", "shared", "local")

LONGEST: Final = 280
"""In lines: beyond that it is a book, and nobody reads it from top to bottom."""


def diagram() -> str:
    """Return the statuses and moves of the table as a Mermaid diagram."""
    arrows: dict[tuple[str, str], list[str]] = defaultdict(list)
    for move, row in TABLE.items():
        for source, targets in row.items():
            for target in targets - {source}:
                arrows[source.value, target.value].append(move.value)
    lines = ["stateDiagram-v2", "    [*] --> pending: create"]
    for (source, target), moves in sorted(arrows.items()):
        lines.append(f"    {source} --> {target}: {', '.join(moves)}")
    return "\n".join(lines)


def floors() -> str:
    """Return the floors of the import contracts, each line one container, highest first."""
    contracts = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    return "\n".join(
        f"{container}: {' > '.join(contract['layers'])}"
        for contract in contracts
        if contract["type"] == "layers"
        for container in contract.get("containers", ())
    )


def _folders() -> list[str]:
    return sorted(
        str(path.parent)
        for package in PACKAGES
        for path in Path(package).rglob("__init__.py")
        if "migrations" not in path.parts
    )


def test_the_diagram_is_drawn_from_the_table() -> None:
    assert f"```mermaid\n{diagram()}\n```" in TEXT, diagram()


def test_the_arrows_are_the_contracts() -> None:
    assert f"```\n{floors()}\n```" in TEXT, floors()


@pytest.mark.parametrize("folder", _folders())
def test_every_folder_is_on_the_map(folder: str) -> None:
    assert f"\n| `{folder}` | " in TEXT


def test_every_folder_on_the_map_exists() -> None:
    named = re.findall(r"^\| `([a-z_/]+)` \|", TEXT.partition("## Module map")[2], re.MULTILINE)
    assert sorted(named) == _folders()


def test_every_path_that_it_names_exists() -> None:
    named = set(re.findall(r"`([a-z_]+/[a-z_/.]*)`", TEXT))
    rooms = ("", "shared/chats/")
    assert [
        name for name in sorted(named) if not any(Path(room + name).exists() for room in rooms)
    ] == []


def test_it_can_be_read_in_one_go() -> None:
    assert len(TEXT.splitlines()) <= LONGEST
