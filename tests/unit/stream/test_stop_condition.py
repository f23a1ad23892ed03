from uuid import UUID

import pytest

from api.stream.errors import BadUntil
from api.stream.stop_condition import Until, parse_until
from shared.chats.model.ids import TurnId

TURN = "01938a2b-0000-7000-8000-000000000001"


def test_idle_and_a_turn_are_understood() -> None:
    assert parse_until("idle") == Until()
    assert parse_until(f"turn:{TURN}") == Until(turn_id=TurnId(UUID(TURN)))


@pytest.mark.parametrize(
    "text",
    ["", "Idle", "turn", "turn:", "turn:1", f"turn:{TURN}x", f" turn:{TURN}", "turn:" + "-" * 36],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadUntil):
        parse_until(text)
