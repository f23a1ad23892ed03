"""Finds the built-in tools of this installation: shipped, of installed packages, and the file's."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType, ModuleType
from typing import Final

from shared.tools.clock import current_time
from shared.tools.errors import BadTool, UnusableTools
from shared.tools.spec import FunctionTool, Tool

GROUP: Final = "stepwell.tools"
"""The entry points of packages that bring tools: each names a module, or one tool."""
Registry = Mapping[str, Tool]
"""Every built-in tool by its name, in the order in which models see them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    tool: FunctionTool
    where: str


def load_tools(
    modules: Sequence[str],
    *,
    load: Callable[[str], ModuleType] = import_module,
    installed: Callable[[], Iterable[EntryPoint]] = lambda: entry_points(group=GROUP),
) -> Mapping[str, FunctionTool]:
    """Import the modules and return their tools. Raise `ToolsError`."""
    found = [_Found(tool=current_time, where="Stepwell itself")]
    for point in sorted(installed(), key=lambda point: point.name):
        where = f"the entry point {point.name!r} of {GROUP!r}"
        found += _tools_of(where, point.load)
    for name in modules:
        found += _tools_of(f"the module {name!r} of [tools]", partial(load, name))
    return _by_name(found)


def _tools_of(where: str, load: Callable[[], object]) -> list[_Found]:
    try:
        loaded = load()
        values = [loaded] if isinstance(loaded, FunctionTool) else list(vars(loaded).values())
    except BadTool as error:
        raise UnusableTools(f"{where}: {error}") from error
    except ModuleNotFoundError as error:
        raise UnusableTools(
            f"{where} can't be imported ({error}): install what is missing, or put its folder on"
            " PYTHONPATH, where the workers run; or correct the name"
        ) from error
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise UnusableTools(f"{where} can't be imported ({reason}): correct it") from error
    tools = [_Found(tool=value, where=where) for value in values if isinstance(value, FunctionTool)]
    if not tools:
        raise UnusableTools(f"{where} has no tool: put @tool above a function, or take it out")
    return tools


def _by_name(found: Sequence[_Found]) -> Mapping[str, FunctionTool]:
    registry: dict[str, _Found] = {}
    for one in found:
        known = registry.setdefault(one.tool.name, one)
        if known.tool is not one.tool:
            raise UnusableTools(
                f"there are two tools {one.tool.name!r}, of {known.where} and of {one.where}:"
                " give one of them another name"
            )
    return MappingProxyType({name: one.tool for name, one in registry.items()})
