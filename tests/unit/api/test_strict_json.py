"""Requests are read strictly, and written in one way only."""

import json

import pytest

from api.http.strict_json import MAX_LEVELS, BadJson, join, read_json, readable


def _nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def test_the_deepest_value_that_is_taken_and_the_first_that_is_not() -> None:
    assert read_json(_nested(MAX_LEVELS)).canonical == _nested(MAX_LEVELS)
    with pytest.raises(BadJson, match="nested in more than 100 levels"):
        read_json(_nested(MAX_LEVELS + 1))


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
def test_any_depth_is_refused_without_breaking(opening: bytes) -> None:
    with pytest.raises(BadJson):
        read_json(opening * 200_000)


@pytest.mark.parametrize("number", [-(2**63), 2**64 - 1, 0, -1, 1.5, 1e308, 5e-324])
def test_numbers_of_64_bits_come_back(number: float) -> None:
    assert read_json(json.dumps(number).encode()).value == number


@pytest.mark.parametrize("number", [-(2**63) - 1, 2**64, 10**400])
def test_larger_integers_are_refused_where_they_stand(number: int) -> None:
    with pytest.raises(BadJson) as caught:
        read_json(b'{"a":[0,{"b c":%d}]}' % number)
    assert caught.value.where == "a[1].'b c'"


def test_a_nul_is_told_from_its_name() -> None:
    assert read_json(rb'"\\u0000"').value == r"\u0000"
    assert read_json(rb'"\\\\u0000"').value == r"\\u0000"
    for text in (rb'"\u0000"', rb'"\\\u0000"', rb'{"a\u0000":1}'):
        with pytest.raises(BadJson, match="NUL"):
            read_json(text)


@pytest.mark.parametrize("text", [b'"\\ud83d\\ude00"', '"😀"'.encode(), b'"\\u00fc"'])
def test_whole_surrogate_pairs_are_text(text: bytes) -> None:
    assert read_json(text).value in ("😀", "ü")


@pytest.mark.parametrize("text", [b'"\\ude00\\ud83d"', b'{"\\udfff":0}', b'["\\ud800x"]'])
def test_halves_of_surrogate_pairs_are_refused(text: bytes) -> None:
    with pytest.raises(BadJson, match="half"):
        read_json(text)


@pytest.mark.parametrize("text", [b'{"a":1,"a":1}', b'[{"x":{"b":[],"b":{}}}]'])
def test_a_key_may_stand_in_an_object_once(text: bytes) -> None:
    with pytest.raises(BadJson, match="twice"):
        read_json(text)


def test_equal_requests_have_equal_bytes() -> None:
    one = read_json(b'{"b": [1, 2.50], "a": "\\u00e4/"}')
    other = read_json('{"a":"ä\\/","b":[1,2.5]}'.encode())
    assert one.canonical == other.canonical


@pytest.mark.parametrize(
    ("one", "other"),
    [(b"1", b"1.0"), (b'"1"', b"1"), (b"[1,2]", b"[2,1]"), (b'{"a":null}', b"{}")],
)
def test_different_requests_have_different_bytes(one: bytes, other: bytes) -> None:
    assert read_json(one).canonical != read_json(other).canonical


def test_the_place_of_a_fault_is_readable_whatever_its_name() -> None:
    assert join(join(join("", "content"), 0), "text") == "content[0].text"
    assert join("labels", "\ud800\n") == r"labels.'\ud800\n'"
    assert len(readable("x" * 10_000)) < 100
