import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.chats.model.messages import Role
from shared.chats.model.parts import Part, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from shared.events.merge import assemble, contiguous, merge
from shared.events.types import Delta, PartEntry, StreamedCall

CALL = ToolCallPart(tool_call_id="c", tool_name="add", args={"a": 1})
RESULT = ToolResultPart(tool_call_id="c", tool_name="add", result="2")


def text(value: str) -> TextPart:
    return TextPart(text=value)


def args(value: str, call: str = "c") -> StreamedCall:
    return StreamedCall(tool_call_id=call, tool_name="add", args_delta=value)


def numbered(*deltas: tuple[int, Delta], role: Role = Role.ASSISTANT) -> list[PartEntry]:
    return [
        PartEntry(seq=seq, first_seq=seq, index=index, role=role, delta=delta)
        for seq, (index, delta) in enumerate(deltas, start=1)
    ]


def shapes(entries: list[PartEntry]) -> list[tuple[int, int, Delta]]:
    return [(entry.first_seq, entry.seq, entry.delta) for entry in entries]


deltas = st.one_of(
    st.builds(TextPart, text=st.text(max_size=5)),
    st.builds(ReasoningPart, text=st.text(max_size=5)),
    st.builds(args, st.text(max_size=5), st.sampled_from(["c", "d"])),
    st.just(CALL),
    st.just(RESULT),
)
episodes = st.lists(st.tuples(st.integers(0, 2), deltas), max_size=30).map(
    lambda pieces: numbered(*pieces)
)


def test_adjacent_text_of_one_part_becomes_one_entry() -> None:
    merged = merge(numbered((0, text("a")), (0, text("b")), (0, text("c"))))
    assert shapes(merged) == [(1, 3, text("abc"))]


def test_text_of_another_part_starts_another_entry() -> None:
    merged = merge(numbered((0, text("a")), (1, text("b")), (0, text("c"))))
    assert shapes(merged) == [(1, 1, text("a")), (2, 2, text("b")), (3, 3, text("c"))]


def test_reasoning_is_not_mixed_with_text() -> None:
    merged = merge(numbered((0, ReasoningPart(text="a")), (0, text("b"))))
    assert [entry.seq for entry in merged] == [1, 2]


def test_a_whole_call_takes_the_place_of_its_streamed_arguments() -> None:
    merged = merge(numbered((0, args("{")), (0, args("}")), (0, CALL)))
    assert shapes(merged) == [(1, 3, CALL)]


def test_arguments_of_another_call_are_kept_apart() -> None:
    merged = merge(numbered((0, args("{", "c")), (0, args("}", "d"))))
    assert [entry.seq for entry in merged] == [1, 2]


def test_whole_parts_are_never_joined() -> None:
    merged = merge(numbered((0, RESULT), (0, RESULT)))
    assert [entry.seq for entry in merged] == [1, 2]


def test_an_entry_does_not_reach_over_a_number_to_keep() -> None:
    merged = merge(numbered((0, text("a")), (0, text("b")), (0, text("c"))), keep={2})
    assert shapes(merged) == [(1, 2, text("ab")), (3, 3, text("c"))]


def test_the_newest_metadata_of_joined_text_is_kept() -> None:
    signed = ReasoningPart(text="", provider_metadata={"signature": "s"})
    [merged] = merge(numbered((0, ReasoningPart(text="a")), (0, signed)))
    assert merged.delta == ReasoningPart(text="a", provider_metadata={"signature": "s"})


def test_a_merged_entry_can_be_merged_again() -> None:
    entries = numbered((0, text("a")), (0, text("b")), (0, text("c")))
    assert merge([*merge(entries[:2]), entries[2]]) == merge(entries)


@given(episodes)
def test_merging_changes_nothing_that_is_assembled(entries: list[PartEntry]) -> None:
    assert assemble(merge(entries)) == assemble(entries)


@given(episodes, st.sets(st.integers(1, 30)))
def test_merged_entries_cover_every_number_once_and_stop_where_asked(
    entries: list[PartEntry], keep: set[int]
) -> None:
    merged = merge(entries, keep=keep)
    assert contiguous(merged) == tuple(merged)
    assert (merged[-1].seq if merged else 0) == len(entries)
    assert not [one for one in merged for number in keep if one.first_seq <= number < one.seq]


@pytest.mark.parametrize(("missing", "found"), [(None, [1, 2, 3]), (1, []), (2, [1]), (3, [1, 2])])
def test_the_contiguous_run_ends_at_the_first_gap(missing: int | None, found: list[int]) -> None:
    entries = numbered((0, text("a")), (0, text("b")), (0, text("c")))
    left = [entry for entry in entries if entry.seq != missing]
    assert [entry.seq for entry in contiguous(left)] == found


def test_parts_are_assembled_by_message_and_place() -> None:
    answer = numbered((1, CALL), (0, text("a")), (0, text("b")))
    result = numbered((0, RESULT), role=Role.TOOL)
    assert assemble([*answer, *result]) == (text("ab"), CALL, RESULT)


@pytest.mark.parametrize(
    ("streamed", "expected"), [('{"a": 1}', {"a": 1}), ('{"a": ', '{"a": '), ("", "")]
)
def test_a_call_that_never_became_whole_keeps_what_came_of_its_arguments(
    streamed: str, expected: object
) -> None:
    [part] = assemble(numbered((0, args(streamed))))
    assert isinstance(part, ToolCallPart)
    assert part.args == expected


def test_nothing_assembles_to_nothing() -> None:
    nothing: tuple[Part, ...] = ()
    assert assemble([]) == nothing
