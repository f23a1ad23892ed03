"""Single plans, told by the events they give; whole histories are in `test_resume`."""

from collections.abc import Callable

import pytest

from api.stream.catch_up import (
    CatchUp,
    catch_up,
    needs_reset,
    since_cursor,
    since_start,
    start_cursor,
)
from api.stream.cursor import Cursor, Kind, parse_cursor
from api.stream.errors import BadCursor
from api.stream.tail import give_up, tail
from shared.chats.model.ids import TurnId
from shared.chats.reads.stream import Since, StreamView
from shared.events.types import PartEntry
from tests.unit.stream.memory_chat import MemoryChat

EVERYTHING = Since()
Move = Callable[[MemoryChat], None]


def view(world: MemoryChat, since: Since = EVERYTHING) -> StreamView:
    return world.view(since, page=1000)


def here(world: MemoryChat) -> Cursor:
    """Return the place of a client that has everything, of the parts too."""
    seen = view(world)
    return catch_up(seen, start_cursor(seen), entries=world.buffer).cursor


def names(planned: CatchUp) -> list[str]:
    return [event.name.value for event in planned.events]


def next_of(
    world: MemoryChat,
    cursor: Cursor,
    *,
    entries: list[PartEntry] | None = None,
    resumed: bool = False,
    awaited: TurnId | None = None,
) -> CatchUp:
    since = since_cursor(cursor, 50, awaited, reset=False)
    seen = view(world, since)
    if needs_reset(seen, cursor):
        seen = view(world, since_cursor(cursor, 50, awaited, reset=True))
    buffer = world.buffer if entries is None else entries
    return catch_up(seen, cursor, entries=buffer, resumed=resumed, awaited=awaited)


def running(*, said: int = 0) -> MemoryChat:
    world = MemoryChat()
    world.begin()
    for _ in range(said):
        world.say()
    return world


def test_a_new_stream_has_messages_title_and_status() -> None:
    seen = view(MemoryChat())
    planned = catch_up(seen, start_cursor(seen))
    assert names(planned) == ["message", "title", "status"]
    assert planned.complete


def test_a_new_stream_of_an_answer_in_progress_has_it_whole() -> None:
    world = running(said=3)
    seen = view(world)
    planned = catch_up(seen, start_cursor(seen), entries=world.buffer)
    assert names(planned)[:2] == ["message", "title"]
    assert set(names(planned)[2:-1]) == {"message_part"}
    assert names(planned)[-1] == "status"


def test_a_new_stream_does_not_tell_of_turns_that_ended_before() -> None:
    world = running()
    world.finish()
    seen = view(world, since_start(50, None))
    assert "turn_end" not in names(catch_up(seen, start_cursor(seen)))


def test_a_new_stream_tells_the_end_of_the_turn_it_waits_for() -> None:
    world = running()
    turn_id = world.chat.current_turn_id
    world.finish()
    seen = view(world, since_start(50, turn_id))
    planned = catch_up(seen, start_cursor(seen), awaited=turn_id)
    assert names(planned) == ["message", "message", "title", "turn_end", "status"]
    # Cut off before, it is told again; cut off after, it is not.
    title, end = planned.events[2].cursor, planned.events[3].cursor
    assert names(next_of(world, title, awaited=turn_id)) == ["turn_end", "status"]
    assert names(next_of(world, end, awaited=turn_id)) == ["status"]


def test_a_new_stream_without_history_begins_behind_the_newest_message() -> None:
    world = MemoryChat()
    seen = view(world, since_start(0, None))
    assert names(catch_up(seen, start_cursor(seen))) == ["title", "status"]
    assert start_cursor(seen).message == world.chat.last_message_id


def test_the_last_event_of_a_read_says_that_all_of_it_has_gone_out() -> None:
    world = MemoryChat()
    seen = view(world)
    first, second, last = catch_up(seen, start_cursor(seen)).events
    assert str(first.cursor.progress) != str(second.cursor.progress)
    assert last.cursor.progress is None
    assert last.cursor.base == seen.snapshot


@pytest.mark.parametrize(
    ("move", "expected"),
    [
        (MemoryChat.entitle, ["title"]),
        (MemoryChat.send, ["queue_update"]),
        (MemoryChat.interrupt, ["status"]),
        (MemoryChat.finish, ["message", "turn_end", "status"]),
        (MemoryChat.commit_calls, ["message"]),
        (MemoryChat.more, ["message", "status"]),
        (MemoryChat.require_action, ["message", "action_required", "turn_end", "status"]),
        (MemoryChat.record_retry, ["retry", "status"]),
        (MemoryChat.fail, ["preview_reset", "error", "turn_end", "status"]),
        (MemoryChat.lose, ["preview_reset", "status"]),
        (MemoryChat.edit, ["history_reset", "message", "turn_end", "status"]),
    ],
)
def test_what_a_watching_client_gets_of_a_move(move: Move, expected: list[str]) -> None:
    world = running(said=2)
    cursor = here(world)
    move(world)
    assert names(next_of(world, cursor)) == expected


@pytest.mark.parametrize(
    ("move", "expected"),
    [
        (MemoryChat.finish, ["preview_reset", "message", "turn_end", "status"]),
        (MemoryChat.more, ["preview_reset", "message", "status"]),
        (MemoryChat.record_retry, ["retry", "status"]),
        (MemoryChat.lose, ["preview_reset", "status"]),
        (MemoryChat.edit, ["history_reset", "message", "turn_end", "status"]),
    ],
)
def test_what_a_client_with_a_preview_gets_when_it_comes_back(
    move: Move, expected: list[str]
) -> None:
    world = running(said=2)
    cursor = here(world)
    move(world)
    assert names(next_of(world, cursor, resumed=True)) == expected


@pytest.mark.parametrize("resumed", [False, True])
def test_a_client_that_shows_no_preview_has_nothing_to_drop(resumed: bool) -> None:
    world = running()
    cursor = here(world)
    world.lose()
    assert names(next_of(world, cursor, resumed=resumed)) == ["status"]


def test_a_newer_attempt_drops_the_preview_of_the_older_one_first() -> None:
    world = running(said=2)
    cursor = here(world)
    world.record_retry()
    world.begin()
    world.say()
    assert names(next_of(world, cursor)) == ["preview_reset", "message_part", "status"]


def test_the_answer_of_a_newer_attempt_is_no_end_of_an_older_one() -> None:
    """Of which a client hears at once, if it was not told anything for a while."""
    world = running(said=2)
    cursor = here(world)
    world.lose()
    world.begin()
    world.say()
    world.finish()
    expected = ["preview_reset", "message", "turn_end", "status"]
    assert names(next_of(world, cursor)) == expected


def test_a_user_message_is_no_end_of_an_episode() -> None:
    world = running(said=2)
    cursor = here(world)
    world.lose()
    world.interrupt()
    world.send()
    assert names(next_of(world, cursor))[:2] == ["preview_reset", "message"]


def test_after_a_retry_went_out_nothing_of_its_attempt_comes_back() -> None:
    world = running(said=2)
    kept = list(world.buffer)
    cursor = here(world)
    world.record_retry()
    retried = next_of(world, cursor).events[0].cursor
    assert names(next_of(world, retried, entries=kept, resumed=True)) == ["status"]


def test_a_client_inside_of_a_merged_entry_starts_anew() -> None:
    world = running()
    for _ in range(2):
        world.ids = 2 * world.ids  # the parts are of one index
        world.say()
    cursor = here(world)
    world.ids = 2 * world.ids
    world.say()
    world.rewrite()
    [merged] = world.buffer
    assert (merged.first_seq, merged.seq) == (1, 3)
    planned = next_of(world, cursor, resumed=True)
    assert names(planned) == ["preview_reset", "message_part"]
    assert planned.cursor.seq == 3
    # Cut off in between, it is inside of nothing any more.
    assert names(next_of(world, planned.events[0].cursor, resumed=True)) == ["message_part"]


def test_a_preview_that_was_given_up_does_not_come_back() -> None:
    world = running(said=3)
    given_up = give_up(here(world)).cursor
    assert names(next_of(world, given_up)) == []
    world.say()
    seen = view(world)
    assert tail(seen, given_up, world.buffer).events == ()
    world.finish()
    assert names(next_of(world, given_up, resumed=True)) == ["message", "turn_end", "status"]


def test_nothing_is_dropped_of_a_preview_that_was_never_shown() -> None:
    world = running()
    assert give_up(here(world)).events == ()


def test_a_client_at_the_end_of_the_buffer_gets_no_part() -> None:
    world = running(said=3)
    assert names(next_of(world, here(world), resumed=True)) == []


def test_a_client_ahead_of_a_buffer_that_lost_its_end_gets_no_part() -> None:
    world = running(said=3)
    cursor = here(world)
    assert names(next_of(world, cursor, entries=world.buffer[:1], resumed=True)) == []


def test_what_went_out_of_a_read_does_not_go_out_again_while_nothing_changes() -> None:
    world = running(said=1)
    cursor = here(world)
    world.send()
    world.entitle()
    world.finish()
    planned = next_of(world, cursor)
    for number, event in enumerate(planned.events, start=1):
        rest = next_of(world, event.cursor)
        assert names(rest) == names(planned)[number:]


def test_two_ends_of_turns_in_one_read_are_counted() -> None:
    world = running()
    world.send()
    cursor = here(world)
    world.finish()
    world.begin()
    world.finish()
    planned = next_of(world, cursor)
    first = names(planned).index("turn_end")
    assert names(planned)[first:] == ["turn_end", "turn_end", "status"]
    assert names(next_of(world, planned.events[first].cursor)) == ["turn_end", "status"]


def test_a_read_of_a_chat_that_moved_on_begins_again() -> None:
    world = running()
    cursor = here(world)
    world.entitle()
    world.send()
    queue, title = next_of(world, cursor).events
    assert (queue.name.value, title.name.value) == ("queue_update", "title")
    world.interrupt()
    assert names(next_of(world, queue.cursor)) == ["queue_update", "title", "status"]


def test_a_queue_that_emptied_is_told_to_a_client_that_was_cut_off_in_its_beginning() -> None:
    world = running()
    world.send()
    seen = view(world)
    events = catch_up(seen, start_cursor(seen)).events
    cut = next(event.cursor for event in events if event.name.value == "queue_update")
    world.finish()
    assert "queue_update" in names(next_of(world, cut, resumed=True))


def test_messages_removed_while_a_client_was_away_are_taken_back_once() -> None:
    world = running()
    world.finish()
    cursor = here(world)
    world.edit()
    planned = next_of(world, cursor)
    reset, message, *_ = planned.events
    assert names(planned)[:2] == ["history_reset", "message"]
    assert reset.cursor.message == 0
    world.entitle()
    assert "history_reset" not in names(next_of(world, reset.cursor))
    assert "history_reset" not in names(next_of(world, message.cursor))


def test_after_a_reset_only_the_newest_messages_follow_and_at_least_fifty() -> None:
    cursor = parse_cursor("7.9.h-0-0-0-0")
    assert since_cursor(cursor, 0, None, reset=False).newest == 50
    assert since_cursor(cursor, 80, None, reset=False).newest == 80
    # A client that has nothing for another reason gets all that there is.
    assert since_cursor(parse_cursor("7.9.t-0-0-0-0"), 0, None, reset=False).newest is None
    assert since_cursor(parse_cursor("7.9.h-4-0-0-0"), 0, None, reset=False).newest is None


def test_a_message_that_the_client_never_had_is_not_taken_back() -> None:
    world = running()
    world.finish()
    cursor = here(world)
    world.send()
    world.edit_last()
    planned = next_of(world, cursor)
    assert [row for row in world.rows if row.removed_at]
    assert names(planned)[:1] == ["message"]
    # Nor when it is cut off behind the message that came in its place.
    world.entitle()
    assert "history_reset" not in names(next_of(world, planned.events[0].cursor))


def test_a_page_that_is_not_the_last_has_messages_only() -> None:
    world = MemoryChat()
    for _ in range(4):
        world.begin()
        world.finish()
        world.send()
    seen = world.view(Since(), page=3)
    planned = catch_up(seen, start_cursor(seen))
    assert names(planned) == ["message"] * 3
    assert not planned.complete
    assert planned.cursor.progress is not None
    assert Kind.INITIAL in planned.cursor.progress.kinds


def test_a_place_in_the_future_belongs_to_another_chat() -> None:
    world = MemoryChat()
    with pytest.raises(BadCursor):
        catch_up(view(world), Cursor(base=world.chat.snapshot_version + 1, message=0))


def test_the_cursor_of_a_chat_skips_what_happened_and_brings_the_answer_in_progress_whole() -> None:
    world = running(said=3)
    episode = world.chat.episode
    cursor = parse_cursor(
        f"{world.chat.snapshot_version}-{world.chat.last_message_id}"
        f"-{episode.history_version}-{episode.attempt}-0"
    )
    assert set(names(next_of(world, cursor, resumed=True))) == {"message_part"}
