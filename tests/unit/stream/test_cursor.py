import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.stream.cursor import Cursor, Kind, Progress, after, order, parse_cursor
from api.stream.errors import BadCursor
from shared.chats.model.lease import Episode

numbers = st.integers(0, 2**63 - 1)


@st.composite
def cursors(draw: st.DrawFn) -> Cursor:
    base = draw(numbers)
    progress = st.builds(
        Progress,
        snapshot=st.integers(base, 2**63 - 1),
        kinds=st.frozensets(st.sampled_from(Kind)),
        turn_ends=numbers,
    )
    return Cursor(
        base=base,
        progress=draw(st.none() | progress),
        message=draw(numbers),
        episode=draw(st.builds(Episode, history_version=numbers, attempt=numbers)),
        seq=draw(numbers),
    )


@given(cursors())
def test_an_id_reads_back_as_the_place_it_names(cursor: Cursor) -> None:
    assert parse_cursor(str(cursor)) == cursor


@given(cursors())
def test_an_id_fits_a_header(cursor: Cursor) -> None:
    text = str(cursor)
    assert text.isascii()
    assert len(text) < 200
    assert not set(text) & set(" \r\n,;")


@pytest.mark.parametrize(
    ("text", "cursor"),
    [
        ("7-3-2-1-0", Cursor(base=7, message=3, episode=Episode(history_version=2, attempt=1))),
        (
            "7.9.qtd2-3-2-1-4",
            Cursor(
                base=7,
                progress=Progress(
                    snapshot=9, kinds=frozenset({Kind.QUEUE, Kind.TITLE}), turn_ends=2
                ),
                message=3,
                episode=Episode(history_version=2, attempt=1),
                seq=4,
            ),
        ),
        (
            "7.9.-0-0-0-0",
            Cursor(
                base=7,
                progress=Progress(snapshot=9),
                message=0,
                episode=Episode(history_version=0, attempt=0),
            ),
        ),
    ],
)
def test_the_form_of_an_id(text: str, cursor: Cursor) -> None:
    assert parse_cursor(text) == cursor
    assert str(cursor) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1-2-3-4",
        "1-2-3-4-5-6",
        "-1-2-3-4-5",
        "1-2-3-4-x",
        "1-2-3-4-5 ",
        "1-2-3-4-5\n",
        "1.2-2-3-4-5",
        "1.2.z-2-3-4-5",
        "1.2.dq-2-3-4-5",
        "1.2.d-2-3-4-5",
        "1.2.Q-2-3-4-5",
        "1..q-2-3-4-5",
        "9.8.q-2-3-4-5",
        "1-9223372036854775808-3-4-5",
        "1-99999999999999999999999999-3-4-5",
        "\u0661-2-3-4-5",
        "1-2-3-4-5" + "0" * 1000,
    ],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(BadCursor):
        parse_cursor(text)


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    with pytest.raises(BadCursor) as caught:
        parse_cursor("<script>")
    assert "script" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_an_id_or_refused(text: str) -> None:
    try:
        cursor = parse_cursor(text)
    except BadCursor:
        return
    assert parse_cursor(str(cursor)) == cursor


def test_removals_count_from_the_read_that_was_under_way() -> None:
    assert parse_cursor("7-0-0-0-0").settled == 7
    assert parse_cursor("7.9.q-0-0-0-0").settled == 9


def test_episodes_are_ordered_by_history_first() -> None:
    first, second = Episode(history_version=1, attempt=9), Episode(history_version=2, attempt=0)
    assert order(first) < order(second)
    assert order(first) < order(after(first)) < order(second)
