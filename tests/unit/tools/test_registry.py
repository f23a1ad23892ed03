"""The tools of an installation: shipped, of packages, of the operator's modules."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import cast

import pytest

from shared.config.catalog import CatalogError
from shared.tools.clock import make_current_time
from shared.tools.registry import load_tools
from shared.tools.spec import Policy, Tool, ToolError, tool


def _tool(name: str) -> Tool:
    def function() -> str:
        """Do it."""
        return name

    return tool(name=name)(function)


def _module(**values: object) -> ModuleType:
    module = ModuleType("made")
    vars(module).update(values)
    return module


class _Point:
    """An entry point of an installed package."""

    def __init__(self, name: str, loaded: object) -> None:
        self.name = name
        self._loaded = loaded

    def load(self) -> object:
        return self._loaded


def _load(modules: dict[str, ModuleType], *points: _Point) -> list[str]:
    def find(name: str) -> ModuleType:
        if name not in modules:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return modules[name]

    installed = cast(Callable[[], list[object]], lambda: [*points])
    return [*load_tools([*modules], load=find, installed=installed)]  # pyright: ignore[reportArgumentType]  # a stand-in for what only packages have


def test_without_any_there_is_the_time() -> None:
    assert _load({}) == ["current_time"]


def test_tools_come_from_modules_and_entry_points() -> None:
    one, two, three = _tool("one"), _tool("two"), _tool("three")
    modules = {"mine": _module(one=one, other="no tool", again=one)}
    points = [_Point("b", _module(three=three)), _Point("a", two)]
    assert _load(modules, *points) == ["current_time", "two", "three", "one"]


def test_two_tools_of_one_name_are_refused() -> None:
    modules = {"mine": _module(one=_tool("one")), "yours": _module(one=_tool("one"))}
    with pytest.raises(CatalogError, match=r"two tools 'one', of the module 'mine'.*'yours'"):
        _load(modules)


def test_a_shipped_name_is_taken() -> None:
    with pytest.raises(CatalogError, match="current_time"):
        _load({"mine": _module(one=_tool("current_time"))})


def test_a_module_without_tools_is_refused() -> None:
    with pytest.raises(CatalogError, match=r"'mine' of \[tools\] has no tool"):
        _load({"mine": _module()})


def test_a_module_that_can_not_be_imported_is_named() -> None:
    with pytest.raises(CatalogError, match=r"'no\.such\.module'.*folder on PYTHONPATH"):
        load_tools(["no.such.module"])


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("1 / 0", r"can't be imported \(ZeroDivisionError: .*\): correct it"),
        (
            "from shared.tools.spec import tool\n@tool\ndef guess(x):\n    'Guess.'",
            "the module 'bad_tools' of .* the tool 'guess' can't be used: 'x' has no type hint",
        ),
    ],
)
def test_what_is_wrong_in_a_module_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, says: str
) -> None:
    (tmp_path / "bad_tools.py").write_text(body)
    # pytest leaves the type of the path open.
    monkeypatch.syspath_prepend(tmp_path)  # pyright: ignore[reportUnknownMemberType]
    with pytest.raises(CatalogError, match=says):
        load_tools(["bad_tools"])


def test_the_time_is_told_where_it_is_asked_for() -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    current_time = make_current_time(lambda: noon)
    assert current_time.policy is Policy.RERUN
    assert current_time.function() == {"time": "2026-11-20T12:00:00+00:00", "weekday": "Friday"}
    told = current_time.function(timezone="Asia/Tokyo")
    assert told == {"time": "2026-11-20T21:00:00+09:00", "weekday": "Friday"}


@pytest.mark.parametrize("name", ["Moon/Crater", "", "../../etc/passwd", "x" * 1000, "\0"])
def test_a_time_zone_that_is_none_is_an_error_for_the_model(name: str) -> None:
    current_time = make_current_time(lambda: datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(ToolError, match="There is no time zone"):
        current_time.function(timezone=name)
