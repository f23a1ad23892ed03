"""The event decoder: every line ending, every chunking, and what it refuses."""

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.providers.http.sse_decoder import SseDecoder, SseError, SseEvent


def decode(*chunks: bytes, max_event_bytes: int = 1000) -> list[tuple[str, str]]:
    decoder = SseDecoder(max_event_bytes=max_event_bytes)
    return [(event.name, event.data) for chunk in chunks for event in decoder.feed(chunk)]


TABLE: list[tuple[bytes, list[tuple[str, str]]]] = [
    (b"", []),
    (b"data: a\n\n", [("", "a")]),
    (b"data:a\n\n", [("", "a")]),
    (b"data:  a \n\n", [("", " a ")]),
    (b"data: a\r\n\r\n", [("", "a")]),
    (b"data: a\r\r", [("", "a")]),
    (b"data: a\n\r\n", [("", "a")]),
    (b"data: a\r\n\n", [("", "a")]),
    (b"data: a\n\ndata: b\n\n", [("", "a"), ("", "b")]),
    (b"data: a\n\n\n\n\ndata: b\n\n", [("", "a"), ("", "b")]),
    (b"\n\ndata: a\n\n", [("", "a")]),
    (b"\ndata: a\n\n", [("", "a")]),
    (b"data: a\ndata: b\n\n", [("", "a\nb")]),
    (b"data\n\n", [("", "")]),
    (b"data\ndata\n\n", [("", "\n")]),
    (b"data: \n\n", [("", "")]),
    (b"event: ping\ndata: {}\n\n", [("ping", "{}")]),
    (b"data: {}\nevent: ping\n\n", [("ping", "{}")]),
    (b"event: ping\n\ndata: a\n\n", [("", "a")]),
    (b"event: x\nevent: y\ndata: a\n\n", [("y", "a")]),
    (b": comment\n\ndata: a\n\n", [("", "a")]),
    (b": comment\ndata: a\n\n", [("", "a")]),
    (b":\n\n", []),
    (b"id: 7\nretry: 10\ndata: a\nunknown: x\n\n", [("", "a")]),
    (b"data: a: b\n\n", [("", "a: b")]),
    (b"\xef\xbb\xbfdata: a\n\n", [("", "a")]),
    (b"data: \xef\xbb\xbf\n\n", [("", "\ufeff")]),
    ("data: grüße 🙂\n\n".encode(), [("", "grüße 🙂")]),
    (b"data: a\n", []),
    (b"data: a", []),
    (b"data: a\n\ndata: b\n", [("", "a")]),
    ("data: a\u2028b\x85\x0bc\n\n".encode(), [("", "a\u2028b\x85\x0bc")]),
]


@pytest.mark.parametrize(("stream", "events"), TABLE)
def test_a_stream_is_decoded(stream: bytes, events: list[tuple[str, str]]) -> None:
    assert decode(stream) == events


@pytest.mark.parametrize(("stream", "events"), TABLE)
def test_the_chunking_makes_no_difference(stream: bytes, events: list[tuple[str, str]]) -> None:
    assert decode(*(stream[i : i + 1] for i in range(len(stream)))) == events
    for cut in range(len(stream)):
        assert decode(stream[:cut], b"", stream[cut:]) == events


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.text(alphabet="é🙂a\r\n:d ", max_size=8))),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.lists(st.integers(min_value=0, max_value=200), max_size=6),
)
def test_any_text_survives_any_chunking(
    texts: list[tuple[str]], newline: str, cuts: list[int]
) -> None:
    lines = [text.replace("\r", "").split("\n") for (text,) in texts]
    stream = "".join(
        "".join(f"data: {line}{newline}" for line in part) + newline for part in lines
    ).encode()
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    chunks = [stream[a:b] for a, b in pairwise(places)]
    assert [data for _, data in decode(*chunks)] == ["\n".join(part) for part in lines]


@pytest.mark.parametrize("stream", [b"data: \xff\n\n", b"data: \xc3\n\n", b": \xff\n\n"])
def test_bytes_that_are_not_utf8_are_an_error(stream: bytes) -> None:
    with pytest.raises(SseError, match="UTF-8"):
        decode(stream)


def test_an_event_at_the_limit_is_decoded() -> None:
    assert decode(b"data: " + b"x" * 94 + b"\n\n", max_event_bytes=100) == [("", "x" * 94)]


@pytest.mark.parametrize("tail", [b"", b"\n\n"])
def test_an_event_beyond_the_limit_is_an_error(tail: bytes) -> None:
    with pytest.raises(SseError, match="too long"):
        decode(b"data: " + b"x" * 95 + tail, max_event_bytes=100)


def test_the_limit_counts_each_event_alone() -> None:
    assert len(decode(b"data: abc\n\n" * 1000, max_event_bytes=10)) == 1000


def test_an_endless_event_fails_before_it_fills_the_memory() -> None:
    chunks = [b"data: 12345\n"] * 20
    with pytest.raises(SseError, match="too long"):
        decode(*chunks, max_event_bytes=100)


def test_a_long_event_in_small_pieces_costs_what_its_bytes_cost() -> None:
    decoder, piece = SseDecoder(), b"x" * 256
    decoder.feed(b"data: ")
    began = time.process_time()
    for _ in range(4 * 1024 * 1024 // len(piece)):
        decoder.feed(piece)
    [event] = decoder.feed(b"\n\n")
    assert time.process_time() - began < 2  # copying all of it for each piece takes 30 times that
    assert len(event.data) == 4 * 1024 * 1024


def test_an_event_is_a_name_and_data() -> None:
    assert SseDecoder().feed(b"event: a\ndata: b\n\n") == [SseEvent("a", "b")]
