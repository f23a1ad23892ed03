"""How an operator declares a tool: `@tool` above a function with type hints and a docstring."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, overload

from shared.jsonvalue import JsonObject
from shared.tools.errors import BadTool, ToolsError
from shared.tools.schema import Signature, read_signature

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

Function = Callable[..., object]


class Policy(StrEnum):
    """What becomes of a call that was started by a worker that is lost."""

    ASK = "ask"  # it is never started again; the model is told that the outcome is unknown
    RERUN = "rerun"  # it is started again: running it twice is harmless


class ToolError(ToolsError):
    """A tool could not do what was asked; the model reads the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A result that is a file rather than text, with a text for models that can't take it."""

    media_type: str
    data: bytes
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function that models may call. `timeout_seconds` None = the setting `tool_seconds`."""

    name: str
    function: Function
    signature: Signature
    policy: Policy = Policy.ASK
    timeout_seconds: float | None = None

    @property
    def description(self) -> str:
        """What the model reads to choose it."""
        return self.signature.description

    @property
    def input_schema(self) -> JsonObject:
        """The JSON Schema of its arguments."""
        return self.signature.input_schema


@overload
def tool(function: Function, /) -> Tool: ...
@overload
def tool(
    *, name: str | None = None, policy: Policy = Policy.ASK, timeout_seconds: float | None = None
) -> Callable[[Function], Tool]: ...
def tool(
    function: Function | None = None,
    /,
    *,
    name: str | None = None,
    policy: Policy = Policy.ASK,
    timeout_seconds: float | None = None,
) -> Tool | Callable[[Function], Tool]:
    """Declare a function, `async` or not, as a tool. Raise `BadTool` if it can't be one.

    Its parameters need type hints; what comes is checked against them. The docstring is what the
    model reads; descriptions of parameters stand in its `Args:` section.
    """

    def declare(function: Function) -> Tool:
        chosen = name or getattr(function, "__name__", "")
        if not _NAME.fullmatch(chosen):
            raise BadTool(chosen, "the name must have 1 to 64 of the characters A-Z a-z 0-9 _ -")
        if timeout_seconds is not None and timeout_seconds <= 0:
            raise BadTool(chosen, "timeout_seconds must be above 0")
        return Tool(
            name=chosen,
            function=function,
            signature=read_signature(chosen, function),
            policy=policy,
            timeout_seconds=timeout_seconds,
        )

    return declare if function is None else declare(function)
