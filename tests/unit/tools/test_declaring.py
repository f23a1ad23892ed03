"""Functions become tools: their schema, their words, and what is refused."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from shared.jsonvalue import JsonValue
from shared.tools.context import ToolContext
from shared.tools.docstring import read_docstring
from shared.tools.errors import BadArguments, BadTool
from shared.tools.spec import FunctionTool, Policy, tool


class Place(BaseModel):
    title: str
    floor: int = 0


@dataclass
class Guest:
    name: str


@tool
def book(
    place: Place,
    guests: list[Guest],
    copy: Annotated[int, Field(ge=1, description="how many")],
    context: ToolContext,
    json: Literal["a", "b"] = "a",
) -> str:
    """Book a place.

    Args:
        place: where,
            exactly
        json (str): which of the two

    Returns what was booked.
    """
    return f"{place.title} {len(guests)} {copy} {json} {context.owner}"


def test_the_schema_comes_from_hints_and_words() -> None:
    schema: Any = book.input_schema
    assert schema["type"] == "object"
    assert schema["required"] == ["place", "guests", "copy"]
    assert schema["additionalProperties"] is False
    assert [*schema["properties"]] == ["place", "guests", "copy", "json"]
    assert schema["properties"]["place"]["description"] == "where, exactly"
    assert schema["properties"]["copy"] == {
        "type": "integer",
        "minimum": 1,
        "description": "how many",
    }
    assert schema["properties"]["json"]["default"] == "a"
    # A property may be called title; a title that pydantic made of a name says nothing.
    assert schema["$defs"]["Place"] == {
        "type": "object",
        "properties": {"title": {"type": "string"}, "floor": {"type": "integer", "default": 0}},
        "required": ["title"],
    }
    assert book.description == "Book a place.\n\nReturns what was booked."


def test_arguments_come_as_the_function_takes_them() -> None:
    read = book.signature.read({"place": {"title": "B1"}, "guests": [{"name": "ann"}], "copy": "2"})
    assert read == {
        "place": Place(title="B1"),
        "guests": [Guest(name="ann")],
        "copy": 2,
        "json": "a",
    }


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ({}, "place: Field required"),
        ({"place": {"title": "x"}, "guests": [], "copy": 0}, "copy: Input should be greater"),
        ({"place": {"title": "x"}, "guests": [], "copy": 1, "more": 1}, "more: Extra inputs"),
        ({"place": {"title": "x"}, "guests": [], "copy": 1, "context": {}}, "context: Extra"),
        ("{oops", "not a JSON object"),
        ([], "not a JSON object"),
        (None, "not a JSON object"),
    ],
)
def test_what_does_not_fit_is_said(args: JsonValue, says: str) -> None:
    with pytest.raises(BadArguments, match=says):
        book.signature.read(args)


def test_what_was_sent_is_not_repeated() -> None:
    with pytest.raises(BadArguments) as caught:
        book.signature.read({"place": "a secret", "guests": "a secret", "copy": "a secret"})
    assert "a secret" not in str(caught.value)


def test_many_faults_are_counted() -> None:
    @tool
    def many(numbers: list[int]) -> None:
        """Take numbers."""

    with pytest.raises(BadArguments, match="and 90 more"):
        many.signature.read({"numbers": ["x"] * 100})


def test_an_option_of_a_tool_is_kept() -> None:
    @tool(name="other-name", policy=Policy.RERUN, timeout_seconds=3)
    async def function() -> datetime:
        """Tell the time."""
        return datetime.min

    assert isinstance(function, FunctionTool)
    assert (function.name, function.policy, function.timeout_seconds) == (
        "other-name",
        Policy.RERUN,
        3,
    )
    assert function.input_schema["properties"] == {}


def _no_docstring(x: int) -> None: ...


def _no_hint(x: int) -> None:
    """Do it."""


del _no_hint.__annotations__["x"]


def _stars(*args: int) -> None:
    """Do it."""


def _open_end(**args: int) -> None:
    """Do it."""


def _nameless(x: int, /) -> None:
    """Do it."""


def _unknown_type(x: Callable[[int], int]) -> None:
    """Do it."""


def _perhaps(context: ToolContext | None = None) -> None:
    """Do it."""


def _twice(one: ToolContext, two: ToolContext) -> None:
    """Do it."""


class _Strange: ...


def _strange(x: _Strange) -> None:
    """Do it."""


def _undefined(x: int) -> None:
    """Do it."""


_undefined.__annotations__["x"] = "Nowhere"


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (_no_docstring, "no docstring"),
        (_no_hint, "'x' has no type hint"),
        (_stars, "'args' can't be given by name"),
        (_open_end, "'args' can't be given by name"),
        (_nameless, "'x' can't be given by name"),
        (_unknown_type, "no JSON Schema"),
        (_undefined, "can't be read"),
        (_perhaps, "'context' must be a ToolContext and nothing else"),
        (_twice, "'one' and 'two' are both its ToolContext"),
        (_strange, r"_Strange'>$"),
    ],
)
def test_what_can_not_be_a_tool_is_refused_with_the_reason(
    function: Callable[..., object], says: str
) -> None:
    with pytest.raises(BadTool, match=says):
        tool(function)


@pytest.mark.parametrize(
    "options", [{"name": "no spaces"}, {"name": "x" * 65}, {"timeout_seconds": 0}]
)
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadTool):
        tool(**options)(book.function)


@pytest.mark.parametrize(
    ("text", "description", "parameters"),
    [
        (None, "", {}),
        ("One line.", "One line.", {}),
        (
            """Do.

            More.

            Arguments:
                a: first
                b(int): second,
                    goes on: here
            """,
            "Do.\n\nMore.",
            {"a": "first", "b": "second, goes on: here"},
        ),
        ("Do.\n\nArgs:\n    a: x\nReturns:\n    y", "Do.\n\nReturns:\n    y", {"a": "x"}),
        ("Do.\n\nArgs:\n    nothing here that is one", "Do.", {}),
    ],
)
def test_a_docstring_is_taken_apart(
    text: str | None, description: str, parameters: dict[str, str]
) -> None:
    read = read_docstring(text)
    assert (read.description, read.parameters) == (description, parameters)
