import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.stream.vector import BadVector, Kind, Progress, Vector, after, order, parse_vector
from shared.chats.model.lease import Episode

numbers = st.integers(0, 2**63 - 1)


@st.composite
def vectors(draw: st.DrawFn) -> Vector:
    base = draw(numbers)
    progress = st.builds(
        Progress,
        snapshot=st.integers(base, 2**63 - 1),
        kinds=st.frozensets(st.sampled_from(Kind)),
        turn_ends=numbers,
    )
    return Vector(
        base=base,
        progress=draw(st.none() | progress),
        message=draw(numbers),
        episode=draw(st.builds(Episode, history_version=numbers, attempt=numbers)),
        seq=draw(numbers),
    )


@given(vectors())
def test_an_id_reads_back_as_the_place_it_names(vector: Vector) -> None:
    assert parse_vector(str(vector)) == vector


@given(vectors())
def test_an_id_fits_a_header(vector: Vector) -> None:
    text = str(vector)
    assert text.isascii()
    assert len(text) < 200
    assert not set(text) & set(" \r\n,;")


@pytest.mark.parametrize(
    ("text", "vector"),
    [
        ("7-3-2-1-0", Vector(base=7, message=3, episode=Episode(history_version=2, attempt=1))),
        (
            "7.9.qtd2-3-2-1-4",
            Vector(
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
            Vector(
                base=7,
                progress=Progress(snapshot=9),
                message=0,
                episode=Episode(history_version=0, attempt=0),
            ),
        ),
    ],
)
def test_the_form_of_an_id(text: str, vector: Vector) -> None:
    assert parse_vector(text) == vector
    assert str(vector) == text


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
    with pytest.raises(BadVector):
        parse_vector(text)


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    with pytest.raises(BadVector) as caught:
        parse_vector("<script>")
    assert "script" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_an_id_or_refused(text: str) -> None:
    try:
        vector = parse_vector(text)
    except BadVector:
        return
    assert parse_vector(str(vector)) == vector


def test_removals_count_from_the_read_that_was_under_way() -> None:
    assert parse_vector("7-0-0-0-0").settled == 7
    assert parse_vector("7.9.q-0-0-0-0").settled == 9


def test_episodes_are_ordered_by_history_first() -> None:
    first, second = Episode(history_version=1, attempt=9), Episode(history_version=2, attempt=0)
    assert order(first) < order(second)
    assert order(first) < order(after(first)) < order(second)
