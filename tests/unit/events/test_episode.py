import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from shared.chats.model.messages import Role
from shared.chats.model.parts import TextPart, ToolResultPart
from shared.events.merge import assemble, contiguous
from workers.streaming.episode import BATCH_BYTES, Cap, EncodedEntry, EpisodeState, Flush

WIDE = Cap()


def text(value: str) -> TextPart:
    return TextPart(text=value)


def say(state: EpisodeState, *texts: str, index: int = 0) -> None:
    for value in texts:
        state.add(index, Role.ASSISTANT, text(value))


def numbers(entries: tuple[EncodedEntry, ...]) -> list[tuple[int, int]]:
    return [(one.entry.first_seq, one.entry.seq) for one in entries]


def send(state: EpisodeState) -> Flush:
    flush = state.take()
    state.sent(flush, buffered=True)
    return flush


def test_deltas_of_one_part_wait_together() -> None:
    state = EpisodeState(WIDE)
    say(state, "a", "b", "c")
    flush = send(state)
    assert [one.entry.delta for one in flush.append] == [text("abc")]
    assert flush.append == flush.publish
    assert (flush.last, state.last, state.published) == (1, 1, 1)


def test_what_was_given_out_does_not_grow_any_more() -> None:
    state = EpisodeState(WIDE)
    say(state, "a")
    send(state)
    say(state, "b")
    assert numbers(send(state).append) == [(2, 2)]


def test_the_first_piece_is_urgent_and_the_next_is_not() -> None:
    state = EpisodeState(WIDE)
    say(state, "a")
    assert state.urgent
    send(state)
    say(state, "b")
    assert not state.urgent


def test_enough_text_is_urgent_and_starts_another_entry() -> None:
    state = EpisodeState(WIDE)
    say(state, "a")
    send(state)
    say(state, "b" * BATCH_BYTES, "c")
    assert state.urgent
    assert numbers(send(state).append) == [(2, 2), (3, 3)]


def test_a_whole_part_is_urgent() -> None:
    state = EpisodeState(WIDE)
    say(state, "a")
    send(state)
    state.add(1, Role.TOOL, ToolResultPart(tool_call_id="c", tool_name="t", result="r"))
    assert state.urgent


def test_text_is_measured_in_bytes() -> None:
    state = EpisodeState(WIDE)
    say(state, "a")
    send(state)
    say(state, "€" * (BATCH_BYTES // 3 + 1))
    assert state.urgent


def test_a_refused_write_makes_the_buffer_anew_and_publishes_nothing_twice() -> None:
    state = EpisodeState(WIDE)
    say(state, "a")
    send(state)
    say(state, "b")
    state.sent(state.take(), buffered=False)
    assert state.broken
    assert not state.waiting
    say(state, "c")
    flush = state.take()
    assert flush.rewrite is not None
    assert numbers(flush.rewrite) == [(1, 2), (3, 3)]
    assert numbers(flush.publish) == [(3, 3)]
    assert flush.append == ()
    state.sent(flush, buffered=True)
    assert not state.broken


def test_a_lost_connection_publishes_again_what_may_not_have_arrived() -> None:
    state = EpisodeState(WIDE)
    say(state, "a")
    send(state)
    say(state, "b")
    state.take()
    state.failed()
    say(state, "c")
    flush = state.take()
    assert numbers(flush.publish) == [(2, 2), (3, 3)]
    assert flush.rewrite is not None
    # A client may stand at 1 or, if the answer was lost, at 2: neither is inside of an entry.
    assert numbers(flush.rewrite) == [(1, 1), (2, 2), (3, 3)]


def test_a_rewrite_that_is_put_off_still_publishes() -> None:
    state = EpisodeState(WIDE)
    say(state, "a")
    send(state)
    state.lost_buffer()
    say(state, "b")
    flush = state.take(rewrite=False)
    assert (flush.rewrite, flush.append) == (None, ())
    assert numbers(flush.publish) == [(2, 2)]
    state.sent(flush, buffered=True)
    assert state.broken


def test_too_many_entries_are_merged_before_any_is_dropped() -> None:
    state = EpisodeState(Cap(entries=4))
    for value in "abcd":
        say(state, value)
        send(state)
    say(state, "e")
    flush = send(state)
    assert flush.rewrite is not None
    assert numbers(flush.rewrite) == [(1, 4), (5, 5)]
    assert state.dropped == 0


def test_what_is_merged_here_still_counts_as_it_is_in_the_buffer() -> None:
    state = EpisodeState(Cap(entries=5, loose=2))
    for value in "abcde":
        say(state, value)
        assert send(state).rewrite is None
    say(state, "f")
    flush = send(state)
    assert flush.rewrite is not None
    assert numbers(flush.rewrite) == [(1, 5), (6, 6)]
    assert state.dropped == 0


def test_a_long_episode_takes_little_more_memory_than_its_text() -> None:
    state = EpisodeState(WIDE)
    tracemalloc.start()
    try:
        for number in range(2_000):
            say(state, f"piece {number} ")
            send(state)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # 11 bytes a piece, twice: as an entry and encoded. Kept singly it would be 400 a piece.
    assert held < 2_000 * 100


def test_what_can_not_be_merged_is_dropped_from_the_end() -> None:
    state = EpisodeState(Cap(entries=3))
    for number in range(5):
        say(state, "x", index=number)
        flush = send(state)
        assert numbers(flush.publish) == [(number + 1, number + 1)]
    assert state.dropped == 2
    state.lost_buffer()
    kept = state.take().rewrite
    assert kept is not None
    assert numbers(kept) == [(1, 1), (2, 2), (3, 3)]


def test_an_episode_over_its_bytes_keeps_its_beginning() -> None:
    state = EpisodeState(Cap(bytes=1000))
    say(state, "a")
    send(state)
    say(state, "b" * 2000)
    assert numbers(send(state).publish) == [(2, 2)]
    assert state.dropped == 1
    say(state, "c")
    send(state)
    assert state.dropped == 2


def test_what_is_over_the_cap_does_not_pile_up_while_redis_is_away() -> None:
    state = EpisodeState(Cap(entries=1))
    say(state, "x", index=0)
    for number in range(1, 5):
        say(state, "x", index=number)
        state.take()
        state.failed()
    assert numbers(state.take().publish) == [(1, 1)]


def test_after_it_is_cleared_nothing_waits() -> None:
    state = EpisodeState(WIDE)
    say(state, "a")
    state.failed()
    state.clear()
    assert [state.waiting, state.broken, state.buffered] == [False, False, False]


actions = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.integers(0, 1), st.text(max_size=3)),
        st.sampled_from(["sent", "refused", "failed"]).map(lambda kind: (kind, 0, "")),
    ),
    max_size=40,
)


@given(actions, st.integers(1, 4))
def test_whatever_fails_the_buffer_ends_up_with_all_that_was_said(
    steps: list[tuple[str, int, str]], loose: int
) -> None:
    state = EpisodeState(Cap(loose=loose))
    said: list[tuple[int, str]] = []
    buffer: list[EncodedEntry] = []

    def write(flush: Flush) -> None:
        buffer[:] = flush.rewrite if flush.rewrite is not None else [*buffer, *flush.append]

    for kind, index, value in [*steps, ("sent", 0, ""), ("sent", 0, "")]:
        if kind == "say":
            say(state, value, index=index)
            said.append((index, value))
            continue
        flush = state.take()
        if kind == "sent":
            write(flush)
            state.sent(flush, buffered=True)
        elif kind == "refused":
            state.sent(flush, buffered=False)
        else:
            state.failed()
    entries = [one.entry for one in buffer]
    assert contiguous(entries) == tuple(entries)
    expected = {index: "" for index, _ in said}
    for index, value in said:
        expected[index] += value
    assert assemble(entries) == tuple(text(expected[index]) for index in sorted(expected))


@given(actions, st.integers(1, 4), st.integers(1, 12), st.integers(100, 1000))
def test_what_is_merged_here_changes_nothing_of_what_is_written(
    steps: list[tuple[str, int, str]], loose: int, entries: int, size: int
) -> None:
    merging = EpisodeState(Cap(entries=entries, bytes=size, loose=loose))
    plain = EpisodeState(Cap(entries=entries, bytes=size, loose=1_000))
    for kind, index, value in steps:
        if kind == "say":
            say(merging, value, index=index)
            say(plain, value, index=index)
            continue
        flush = merging.take()
        assert (flush, merging.dropped) == (plain.take(), plain.dropped)
        for state in (merging, plain):
            if kind == "failed":
                state.failed()
            else:
                state.sent(flush, buffered=kind == "sent")
