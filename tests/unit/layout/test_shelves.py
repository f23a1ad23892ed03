"""What lies in `shared` is shared: both the API and the workers reach it."""

from functools import cache
from pathlib import Path

import grimp
import pytest

SHELVES = sorted(path.name for path in Path("shared").iterdir() if (path / "__init__.py").exists())


@cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph("shared", "api", "workers")


@pytest.mark.parametrize("shelf", SHELVES)
@pytest.mark.parametrize("user", ["api", "workers"])
def test_both_sides_reach_every_shelf(user: str, shelf: str) -> None:
    chains = _graph().find_shortest_chains(
        importer=user, imported=f"shared.{shelf}", as_packages=True
    )
    assert chains, f"only one side uses shared.{shelf}: it belongs to that side"


def test_every_package_says_what_it_is() -> None:
    roots = ["shared", "api", "workers", "local", "tests"]
    silent = [
        str(path)
        for root in roots
        for path in Path(root).rglob("__init__.py")
        if not path.read_text().startswith('"""')
    ]
    assert silent == []


def test_every_folder_with_code_is_a_package() -> None:
    roots = ["shared", "api", "workers", "local", "tests"]
    folders = {path.parent for root in roots for path in Path(root).rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []
