"""What lies in `shared` is shared, module by module: both the API and the workers reach it."""

from functools import cache
from pathlib import Path

import grimp
import pytest

ONE_SHELF = "shared.chats"
"""The one shelf that is asked as a whole: one state machine, whoever makes which of its moves."""

AWAITED = "shared.submission"
"""Built below HTTP for producers of which the first in a worker, schedules, is still to come."""

PUBLIC = "shared.tools"
"""What the modules of operators import, under this name: only workers load them."""


@cache
def _graph() -> grimp.ImportGraph:
    graph = grimp.build_graph("shared", "api", "workers")
    graph.squash_module(ONE_SHELF)
    return graph


def _modules() -> list[str]:
    paths = (path for path in Path("shared").rglob("*.py") if path.name != "__init__.py")
    names = (".".join(path.with_suffix("").parts) for path in paths)
    return sorted(name for name in names if not name.startswith((f"{ONE_SHELF}.", AWAITED, PUBLIC)))


def _reaches(user: str, module: str) -> bool:
    return bool(_graph().find_shortest_chains(importer=user, imported=module, as_packages=True))


@pytest.mark.parametrize("module", _modules())
def test_no_module_is_used_by_one_side_only(module: str) -> None:
    # What neither imports is named in text: migrations, and the transport that Celery loads.
    sides = [user for user in ("api", "workers") if _reaches(user, module)]
    assert len(sides) != 1, f"only {sides[0]} uses {module}: it belongs there"


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
