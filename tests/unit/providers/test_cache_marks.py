"""Where the prompt-cache marks go."""

import pytest

from shared.chats.model.messages import Role
from workers.providers.anthropic.cache_marks import cache_marks

S, U, A, T = Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.TOOL


@pytest.mark.parametrize(
    ("roles", "marks"),
    [
        ([S, S, U, A, U], {1, 3, 4}),
        ([S, U], {0, 1}),
        ([U], {0}),
        ([U, A, U], {1, 2}),
        ([S], {0}),
        ([S, S], {0, 1}),
        ([], set[int]()),
        ([S, U, A, T, A, U], {0, 4, 5}),
        ([S, U, S, U], {0, 2, 3}),
    ],
)
def test_the_marks_are_at_the_end_of_the_system_block_and_on_the_last_two(
    roles: list[Role], marks: set[int]
) -> None:
    assert cache_marks(roles) == marks
