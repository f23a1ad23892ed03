"""The tools of `examples/tools.py` do what their docstrings say."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from examples.tools import BOOKINGS, book_room, count_words, ring_bells
from shared.jsonvalue import JsonValue
from shared.tools.errors import BadArguments
from shared.tools.spec import Policy
from tests.unit.tools.running import ABOUT, Stage, call_of


def _results(stage: Stage, *made: tuple[str, int]) -> Sequence[tuple[JsonValue, bool]]:
    """Book rooms one after the other."""
    parts = [
        stage.run(call_of(book_room, n, room=room, guests=guests)).results[n]
        for n, (room, guests) in enumerate(made)
    ]
    return [(part.result, part.is_error) for part in parts]


def test_words_are_counted() -> None:
    ran = Stage().run(
        call_of(count_words, 0, text="one two"),
        call_of(count_words, 1, text="one two", unit="characters"),
    )
    assert [ran.results[n].result for n in range(2)] == [2, 7]


def test_a_room_is_booked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert _results(Stage(), ("B12", 2), ("B12", 3), ("C1", 1)) == [
        ("Room B12 is booked for 2.", False),
        ("Room B12 is taken: choose another.", True),
        ("Room C1 is booked for 1.", False),
    ]
    [first, _] = BOOKINGS.read_text().splitlines()
    assert first == f"B12 2 ann {ABOUT.chat_id}/7/0"
    assert book_room.policy is Policy.ASK
    for wrong in ({"room": "12B", "guests": 1}, {"room": "B12", "guests": 51}):
        with pytest.raises(BadArguments):
            book_room.signature.read(wrong)


def test_bells_are_rung_in_order() -> None:
    rung = call_of(ring_bells, rooms=["A", "B"], seconds_between=0.0)
    assert Stage().run(rung).results[0].result == {"rung": ["A", "B"]}
