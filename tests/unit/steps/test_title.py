"""What a model says becomes one line that fits."""

import pytest

from workers.steps.title import LONGEST, clean_title


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("A title", "A title"),
        ('  "A title."\n', "A title"),
        ("«Ein\n  Titel»", "Ein Titel"),
        (" \n ", ""),
        ("word " * 40, ("word " * 16).rstrip()[: LONGEST - 1] + "…"),
    ],
)
def test_a_title_is_one_line_without_quotes(said: str, title: str) -> None:
    assert clean_title(said) == title
    assert len(clean_title(said)) <= LONGEST
