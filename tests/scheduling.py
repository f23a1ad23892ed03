"""Which process of a test run takes which file: a fleet that several files share is started once.

`--dist loadfile` would start it in every process, and idle workers at a tenth of the times cost a
tenth of a core each.
"""

import ast
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
from xdist.scheduler.loadfile import (  # pyright: ignore[reportMissingTypeStubs]
    LoadFileScheduling,
)

SHARED = ("fleet", "tool_fleet")
"""Fixtures of all journeys, in `tests/journeys/conftest.py`."""


class ByFleet(LoadFileScheduling):
    """Keeps a file together, and all files that share a fleet."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.partition("::")[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFleet:
    """Take the place of `--dist`."""
    return ByFleet(config, cast(Any, log))


@cache
def group_of(file: str) -> str:
    """Return the fleet that the tests of a file share with others, else the file."""
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    own = {function.name for function in functions}
    injected = [one for one in functions if one.name.startswith("test_") or one.decorator_list]
    asked = {argument.arg for function in injected for argument in function.args.args}
    return next((name for name in SHARED if name in asked - own), file)
