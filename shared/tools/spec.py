"""What a tool is, and how an operator declares one: `@tool` above a function with type hints."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, overload

from shared.jsonvalue import JsonObject, JsonValue
from shared.tools.context import ToolContext
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


class Tool(Protocol):
    """What models may call, whoever provides it. `timeout_seconds` None = `tool_seconds`."""

    @property
    def name(self) -> str:
        """What models call it by."""
        ...

    @property
    def description(self) -> str:
        """What the model reads to choose it."""
        ...

    @property
    def input_schema(self) -> JsonObject:
        """The JSON Schema of its arguments."""
        ...

    @property
    def source(self) -> str:
        """Where it comes from, for operators: a module."""
        ...

    @property
    def policy(self) -> Policy:
        """What becomes of a call that was started by a worker that is lost."""
        ...

    @property
    def timeout_seconds(self) -> float | None:
        """How long a call may take."""
        ...

    def read(self, args: JsonValue) -> Mapping[str, object]:
        """Return a call's arguments as `run` takes them. Raise `BadArguments`."""
        ...

    def run(self, arguments: Mapping[str, object], context: ToolContext) -> object:
        """Return what came of a call, or a coroutine of it. Raise anything; `ToolError` is read."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionTool:
    """A Python function that models may call."""

    name: str
    function: Function
    signature: Signature
    policy: Policy = Policy.ASK
    timeout_seconds: float | None = None

    @property
    def description(self) -> str:
        """What the model reads to choose it: the docstring."""
        return self.signature.description

    @property
    def input_schema(self) -> JsonObject:
        """The JSON Schema of its arguments: the type hints."""
        return self.signature.input_schema

    @property
    def source(self) -> str:
        """The function's module."""
        return self.function.__module__

    def read(self, args: JsonValue) -> Mapping[str, object]:
        """Return a call's arguments as the function takes them. Raise `BadArguments`."""
        return self.signature.read(args)

    def run(self, arguments: Mapping[str, object], context: ToolContext) -> object:
        """Call the function."""
        wanted = self.signature.context
        own = {} if wanted is None else {wanted: context}
        return self.function(**arguments, **own)


@overload
def tool(function: Function, /) -> FunctionTool: ...
@overload
def tool(
    *, name: str | None = None, policy: Policy = Policy.ASK, timeout_seconds: float | None = None
) -> Callable[[Function], FunctionTool]: ...
def tool(
    function: Function | None = None,
    /,
    *,
    name: str | None = None,
    policy: Policy = Policy.ASK,
    timeout_seconds: float | None = None,
) -> FunctionTool | Callable[[Function], FunctionTool]:
    """Declare a function, `async` or not, as a tool. Raise `BadTool` if it can't be one.

    Its parameters need type hints; what comes is checked against them. The docstring is what the
    model reads; descriptions of parameters stand in its `Args:` section.
    """

    def declare(function: Function) -> FunctionTool:
        chosen = name or getattr(function, "__name__", "")
        if not _NAME.fullmatch(chosen):
            raise BadTool(chosen, "the name must have 1 to 64 of the characters A-Z a-z 0-9 _ -")
        if timeout_seconds is not None and timeout_seconds <= 0:
            raise BadTool(chosen, "timeout_seconds must be above 0")
        return FunctionTool(
            name=chosen,
            function=function,
            signature=read_signature(chosen, function),
            policy=policy,
            timeout_seconds=timeout_seconds,
        )

    return declare if function is None else declare(function)
