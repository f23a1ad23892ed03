"""One word, one meaning: no class name twice, no module called as the shelf of another package."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

PACKAGES: Final = ("api", "shared", "workers")

SCHEMAS: Final = "api/schemas/"
"""The shape of a body is called as the value that it is the shape of."""

BY_THING: Final = frozenset(
    {"model", "store", "statements", "reads", "callers", "routes", "schemas"}
)
"""In these folders a module is called as the thing that it is about: `routes/chats.py`."""

MOST_MODULES: Final = 14


def _modules() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted(Path(package).rglob("*.py")):
            if path.name != "__init__.py" and "migrations" not in path.parts:
                yield path


def _classes() -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for path in _modules():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                found[node.name].append(str(path))
    return found


def test_no_class_is_called_as_another() -> None:
    doubled = {
        name: paths
        for name, paths in _classes().items()
        if len([path for path in paths if not path.startswith(SCHEMAS)]) > 1
        or len([path for path in paths if path.startswith(SCHEMAS)]) > 1
    }
    assert doubled == {}, "give one of them another name"


def test_no_module_is_called_as_the_shelf_of_another_package() -> None:
    shelves = {
        package: {path.name for path in Path(package).iterdir() if (path / "__init__.py").exists()}
        for package in PACKAGES
    }
    misleading = [
        str(path)
        for path in _modules()
        if path.parent.name not in BY_THING
        and any(path.stem in shelves[other] for other in PACKAGES if other != path.parts[0])
    ]
    assert misleading == [], "a reader would look for the shelf: give it another name"


def _folders() -> list[Path]:
    roots = (*PACKAGES, "local", "benchmarks")
    return sorted({path.parent for root in roots for path in Path(root).rglob("*.py")})


@pytest.mark.parametrize("folder", _folders(), ids=str)
def test_no_folder_has_more_modules_than_a_reader_takes_in(folder: Path) -> None:
    modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= MOST_MODULES or folder.name in ("routes", "schemas")
