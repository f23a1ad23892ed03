"""A client that is cut off anywhere and comes back, to whichever process, has all of it once."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat

import pytest

from local.databases.postgres import Postgres
from local.databases.valkey import Valkey
from tests.journeys.cutting import CutReader, CutReplay, Resume, Unit
from tests.journeys.fleet import Fleet
from tests.journeys.replay import Replay
from tests.journeys.scripts import say, script, slowly
from tests.journeys.sse import Event
from tests.servers import copied_database

SEED = 20_261_121
EVENTS = 45
"""More come, however much a busy machine merges, and a client is cut after each of them."""

THOUGHT = {"reasoning": "Let me think about that for a moment."}
FIRST = script(
    THOUGHT,
    say("This will not "),
    say("be kept."),
    {"fail": {"status": 503, "times": 1}},
    slowly("tick ", 200, 0.03),
)
LATER = [script(THOUGHT, slowly(word, 12, 0.03)) for word in ("two ", "three ")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A chat in which everything happened, and those who watched it live."""

    fleet: Fleet
    chat_id: str
    events: list[Event]
    undisturbed: Replay
    cut_once: list[CutReader]
    cut_always: list[CutReader]
    from_cursors: list[CutReader]

    def check(self, replay: CutReplay, *, has_first: bool = False) -> None:
        """Compare what a client put together with the undisturbed reader's view."""
        expected = dict(self.undisturbed.messages)
        if has_first:
            del expected[min(expected)]
        assert replay.faults == []
        assert replay.messages == expected
        # A client that was cut in the middle of a read may hear of a turn's end again.
        assert list(dict.fromkeys(replay.ended_turns)) == self.undisturbed.ended_turns
        assert (replay.status, replay.title) == ("waiting", "All at once")
        assert (replay.queue, replay.preview) == ([], {})


@pytest.fixture(scope="module")
def story(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Reasoning, a retry, two queued messages, a title and an interrupt, over two API processes."""
    folder = tmp_path_factory.mktemp("story")
    with (
        copied_database(postgres) as database_url,
        Valkey(folder / "valkey", fast=True) as valkey,
        Fleet(database_url, valkey.url, folder) as fleet,
    ):
        yield _tell(fleet.start(apis=2, workers=1))


def _tell(fleet: Fleet) -> Story:
    chat = fleet.new_chat(FIRST)
    chat_id: str = chat["id"]
    with fleet.stream(f"/v1/chats/{chat_id}/stream?until=idle") as stream:
        cut_once = [_reader(fleet, chat_id, iter([n])) for n in range(1, EVENTS + 1)]
        cut_always = [
            *(_reader(fleet, chat_id, repeat(1), how=how) for how in Resume),
            *(_reader(fleet, chat_id, _bytes(n), unit=Unit.BYTES) for n in range(8)),
        ]
        stream.wait_for("retry")
        cursors = [chat["cursor"], *(fleet.send(chat_id, text)["cursor"] for text in LATER)]
        from_cursors = [
            _reader(fleet, chat_id, iter([4, 2, 1]), how=how, after=cursor)
            for how in Resume
            for cursor in cursors
        ]
        fleet.ask("PATCH", f"/v1/chats/{chat_id}", {"title": "All at once"})
        stream.wait_for("message_part", lambda part: part["attempt"] == 2 and part["seq"] > 12)
        fleet.ask("POST", f"/v1/chats/{chat_id}/interrupt")
        events = stream.wait_for_end()
    undisturbed = Replay().take_all(events)
    fleet.check_agrees(chat_id, undisturbed)
    return Story(
        fleet=fleet,
        chat_id=chat_id,
        events=events,
        undisturbed=undisturbed,
        cut_once=cut_once,
        cut_always=cut_always,
        from_cursors=from_cursors,
    )


def _reader(
    fleet: Fleet,
    chat_id: str,
    cuts: Iterator[int],
    *,
    unit: Unit = Unit.EVENTS,
    how: Resume = Resume.HEADER,
    after: str = "",
) -> CutReader:
    reader = CutReader(fleet, chat_id, cuts, unit, how)
    reader.replay.last_id = after
    return reader.start()


def _bytes(number: int) -> Iterator[int]:
    """Cut inside of events; now and then a whole one has to come."""
    random_ = random.Random(SEED + number)
    while True:
        yield random_.randint(1, 2500)


def test_everything_happened(story: Story) -> None:
    names = [event.name for event in story.events]
    assert len(names) > EVENTS
    assert {"retry", "queue_update", "title", "message", "message_part"} <= set(names)
    kinds = {event.data["part"]["type"] for event in story.events if event.name == "message_part"}
    assert kinds == {"text", "reasoning"}
    outcomes = [status for _, status in story.undisturbed.ended_turns]
    assert outcomes == ["interrupted", "finished", "finished"]
    assert [role for role, _ in story.undisturbed.texts()] == ["user", "assistant"] * 3


def test_a_client_cut_off_after_any_event_goes_on_live(story: Story) -> None:
    for reader in story.cut_once:
        story.check(reader.join())
        assert reader.connections == 2


def test_a_client_cut_off_after_every_event_or_inside_of_one_goes_on_live(story: Story) -> None:
    for reader in story.cut_always:
        story.check(reader.join())
        assert reader.connections > 5


def test_the_cursor_of_a_post_leads_to_all_that_came_after_it(story: Story) -> None:
    for reader in story.from_cursors:
        story.check(reader.join(), has_first=True)
        assert reader.connections == 4


@pytest.mark.parametrize("how", Resume)
def test_a_client_that_comes_back_after_the_end_gets_the_rest(story: Story, how: Resume) -> None:
    for number in range(1, len(story.events) + 1):
        replay = CutReplay()
        replay.take_all(story.events[:number])
        reader = CutReader(story.fleet, story.chat_id, iter([]), Unit.EVENTS, how, replay)
        reader.connections = number  # at the one process or the other
        story.check(reader.start().join())


def test_a_client_that_has_everything_gets_nothing(story: Story) -> None:
    replay = CutReplay()
    replay.take_all(story.events)
    before = len(replay.messages)
    reader = CutReader(story.fleet, story.chat_id, iter([]), Unit.EVENTS, replay=replay)
    assert reader.start().join().last_id == story.events[-1].id
    assert len(replay.messages) == before
