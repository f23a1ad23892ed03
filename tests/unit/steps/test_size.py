"""How big a prompt is, by the cases that are shared with others."""

import base64
import json
from pathlib import Path
from typing import Any, Final

import pytest

from shared.chats.model.messages import Role
from shared.chats.model.parts import (
    FilePart,
    Part,
    ReasoningPart,
    SourcePart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from shared.jsonvalue import JsonValue
from workers.providers.protocol import PromptMessage, Request
from workers.steps.prompt.size import part_size, prompt_size

CASES: Final = Path(__file__).parents[2] / "cases" / "aux_cases.json"
# The file's shape is told by the cases themselves.
CASE: Final[Any] = json.loads(CASES.read_text(encoding="utf-8"))["prompt_size"]


def _part(kind: str, value: str) -> Part:
    match kind:
        case "text":
            return TextPart(text=value)
        case "reasoning":
            return ReasoningPart(text=value)
        case "file":
            data = base64.b64encode(value.encode()).decode()
            return FilePart(media_type="text/plain", data=data)
        case "tool-call":
            return ToolCallPart(tool_call_id="c", tool_name="t", args=json.loads(value))
        case "tool-result":
            return ToolResultPart(tool_call_id="c", tool_name="t", result=value)
        case _:
            raise AssertionError(kind)


def _request(system: str | None, *messages: PromptMessage) -> Request:
    return Request(model="m", provider="p", upstream_model="u", system=system, messages=messages)


def test_the_prompt_of_the_cases_has_their_size() -> None:
    messages = tuple(
        PromptMessage(role=Role(role), parts=tuple(_part(kind, text) for kind, text in parts))
        for role, parts in CASE["messages"]
    )
    assert prompt_size(_request(None, *messages)) == CASE["expect"]
    system, *others = messages
    [said] = system.parts
    assert isinstance(said, TextPart)
    assert prompt_size(_request(said.text, *others)) == CASE["expect"]


@pytest.mark.parametrize("length", range(8))
def test_a_file_counts_as_it_is_not_as_it_is_written(length: int) -> None:
    data = base64.b64encode(b"x" * length).decode()
    assert part_size(FilePart(media_type="a/b", data=data)) == length


@pytest.mark.parametrize(("result", "size"), [("ü", 2), ({"a": [1, None]}, 14), (None, 4), ("", 0)])
def test_results_count_as_text_or_as_json(result: JsonValue, size: int) -> None:
    assert part_size(ToolResultPart(tool_call_id="c", tool_name="t", result=result)) == size


def test_a_source_is_no_part_of_the_prompt() -> None:
    assert part_size(SourcePart(source_id="1", url="https://example.com", title="t")) == 0
