"""What clients are shown of what is stored."""

from api.render import render_turn_time
from shared.chats.model.timing import TurnTime


def test_times_are_shown_to_the_microsecond() -> None:
    time = TurnTime(queue=0.12345678901234567, provider=2.0000004, commit=1e-9)
    shown = render_turn_time(time)
    assert (shown["queue"], shown["provider"], shown["commit"]) == (0.123457, 2.0, 0.0)
