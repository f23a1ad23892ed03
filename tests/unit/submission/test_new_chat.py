"""The title that a chat begins with."""

import pytest

from shared.chats.model.parts import FilePart, Part, TextPart
from shared.submission.new_chat import title_of


@pytest.mark.parametrize(
    ("parts", "title"),
    [
        (
            (TextPart(text="  one   two\nthree 4 5 6 7 8 "),),
            "one two three 4 5 6",
        ),
        ((TextPart(text="x" * 100),), "x" * 80),
        ((TextPart(text="a"), TextPart(text="b")), "a b"),
        ((FilePart(media_type="text/plain", data="", name="a.log"),), "a.log"),
        ((FilePart(media_type="text/plain", data=""),), "New chat"),
    ],
)
def test_the_title_is_the_first_words(parts: tuple[Part, ...], title: str) -> None:
    assert title_of(parts) == title
