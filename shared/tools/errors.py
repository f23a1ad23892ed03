"""Why a tool can't be declared, found or called."""

from shared.config.catalog import CatalogError


class ToolsError(Exception):
    """A tool can't do what it is for."""


class BadTool(ToolsError):
    """A function can't be a tool."""

    def __init__(self, name: str, reason: str) -> None:
        """Keep which one, and why."""
        super().__init__(f"the tool {name!r} can't be used: {reason}")
        self.name, self.reason = name, reason


class BadArguments(ToolsError):
    """A model called a tool with arguments that don't fit; the text tells it what is wrong."""


class UnusableTools(CatalogError):
    """The tools of this installation can't be used; the text names the module and the remedy."""
