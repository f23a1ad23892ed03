"""What functions return, as results."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from pydantic import BaseModel

from shared.tools.spec import Media
from workers.tools.output import LARGEST_MEDIA, output_of


@dataclass
class Point:
    x: int


class Model(BaseModel):
    at: datetime


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LOOP: list[object] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("text", "text"),
        (None, None),
        (True, True),
        ({"a": [1, 2.5]}, {"a": [1, 2.5]}),
        (Point(x=1), {"x": 1}),
        (Model(at=NOON), {"at": "2026-01-01T12:00:00Z"}),
        ({"id": UUID(int=1), "sum": Decimal("1.50")}, {"id": str(UUID(int=1)), "sum": "1.50"}),
        ({1}, [1]),
        (b"bytes", "bytes"),
        (bytearray(b"\xff\x00a"), "�\x00a"),
    ],
)
def test_whatever_json_can_say_is_a_result(value: object, result: object) -> None:
    output = output_of(value)
    assert (output.result, output.is_error, output.is_media) == (result, False, False)


@pytest.mark.parametrize(
    "value", [object(), lambda: None, LOOP, {"nested": b"\xff"}, (n for n in [object()])]
)
def test_what_it_can_not_say_is_an_error(value: object) -> None:
    output = output_of(value)
    assert output.is_error
    assert "can't be written as JSON" in str(output.result)


def test_a_file_is_media() -> None:
    output = output_of(Media(media_type="image/png", data=b"png", text="a picture"))
    assert output.is_media
    assert output.result == {"media_type": "image/png", "data": "cG5n", "text": "a picture"}


def test_a_file_that_no_model_takes_is_an_error() -> None:
    output = output_of(Media(media_type="image/png", data=b"x" * (LARGEST_MEDIA + 1)))
    assert (output.is_error, output.is_media) == (True, False)
