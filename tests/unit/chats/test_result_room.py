"""How big results are, and how much of them a model gets to see."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.chats.model.parts import ToolResultPart
from shared.chats.rules.result_room import SMALLEST_ROOM, UNKNOWN_ROOM, cut, result_size, room_of
from shared.jsonvalue import JsonValue

KIB = 1024
SIZES: list[Any] = json.loads(Path("tests/cases/aux_cases.json").read_text())["tool_result_size"]


def _part(result: JsonValue, *, is_error: bool = False, is_media: bool = False) -> ToolResultPart:
    return ToolResultPart(
        tool_call_id="c", tool_name="t", result=result, is_error=is_error, is_media=is_media
    )


@pytest.mark.parametrize("case", SIZES)
def test_a_result_is_as_big_as_its_text_or_its_base64(case: dict[str, Any]) -> None:
    value = case.get("value")
    match case["kind"]:
        case "media":
            part = _part({"media_type": "image/png", "data": value}, is_media=True)
        case kind:
            part = _part(value, is_error=kind == "error")
    assert result_size(part) == case["expect"]


@pytest.mark.parametrize(
    ("result", "size"), [("ä", 2), ({"a": 1}, 7), ([], 2), (0, 1), (False, 5), (2**70, 22)]
)
def test_what_is_no_text_is_as_big_as_its_json(result: JsonValue, size: int) -> None:
    assert result_size(_part(result)) == size


@pytest.mark.parametrize(
    ("limit", "room"),
    [
        (0, UNKNOWN_ROOM),
        (1, SMALLEST_ROOM),
        (16 * KIB, 16 * KIB),
        (16 * KIB + 1, 16 * KIB + 1),
        (200_000, 200_000),
    ],
)
def test_the_room_follows_from_the_model(limit: int, room: int) -> None:
    assert room_of(limit) == room


def test_what_fits_stays_as_it_is() -> None:
    part = _part("x" * 100)
    assert cut(part, 100) is part
    assert cut(_part(None), 1).result is None


def test_two_thirds_of_the_head_and_one_of_the_tail_stay() -> None:
    text = "h" * 5000 + "t" * 5000
    shown = cut(_part(text), 1000).result
    assert isinstance(shown, str)
    assert len(shown) <= 1000
    head, marker, tail = shown.partition("\n\n[... ")
    count, words, tail = tail.partition(" bytes were left out here ...]\n\n")
    assert marker
    assert words
    assert set(head) == {"h"}
    assert set(tail) == {"t"}
    assert len(head) == pytest.approx(2 * len(tail), abs=2)
    assert len(head) + len(tail) + int(count) == len(text)


def test_json_is_cut_as_text() -> None:
    shown = cut(_part({"rows": ["x" * 50] * 100}), 1000).result
    assert isinstance(shown, str)
    assert shown.startswith('{"rows":["xxx')


def test_media_is_not_cut() -> None:
    part = _part({"media_type": "image/png", "data": "x" * 100_000}, is_media=True)
    assert cut(part, 1000) is part


@given(st.text(min_size=200), st.integers(min_value=100, max_value=1000))
def test_whatever_is_cut_is_valid_and_fits(text: str, room: int) -> None:
    shown = cut(_part(text), room).result
    assert isinstance(shown, str)
    assert len(shown.encode()) <= room or len(text.encode("utf-8", "replace")) <= room
