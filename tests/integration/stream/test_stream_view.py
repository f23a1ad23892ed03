from uuid import uuid4

from sqlalchemy import Engine

from shared.chats.model.ids import ChatId
from shared.chats.model.messages import Message
from shared.chats.model.parts import Part, TextPart
from shared.chats.model.statuses import Status, TurnStatus
from shared.chats.reads.stream import Removal, Since, StreamView, read_versions, read_view
from tests.integration.stream.driving import Driven, drive


def view(driven: Driven, since: Since | None = None) -> StreamView:
    with driven.engine.connect() as connection:
        found = read_view(connection, driven.id, since or Since())
    assert found is not None
    return found


def texts(messages: tuple[Message, ...]) -> list[tuple[Part, ...]]:
    return [message.content for message in messages]


def said(*lines: str) -> list[tuple[TextPart, ...]]:
    return [(TextPart(text=line),) for line in lines]


def answer(driven: Driven, question: str, text: str) -> None:
    driven.send(question)
    driven.begin()
    driven.finish(text)


def test_a_view_has_the_chat_and_its_messages_as_any_other_read_has_them(engine: Engine) -> None:
    driven = drive(engine, text="question")
    driven.begin()
    driven.finish("answer")
    found = view(driven)
    assert texts(found.messages) == said("question", "answer")
    assert found.chat == driven.chat
    assert found.snapshot == driven.chat.snapshot_version
    assert found.messages[0].created_at.tzinfo is not None
    assert {message.chat_id for message in found.messages} == {driven.id}
    assert {message.turn_id for message in found.messages} == {driven.turn_id}
    assert not found.more
    assert not found.live


def test_a_chat_that_does_not_exist_is_none(engine: Engine) -> None:
    with engine.connect() as connection:
        assert read_view(connection, ChatId(uuid4()), Since()) is None


def test_only_newer_messages_are_read(engine: Engine) -> None:
    driven = drive(engine, text="question")
    driven.begin()
    driven.finish("answer")
    assert texts(view(driven, Since(message=driven.user_message_id)).messages) == said("answer")


def test_the_newest_messages_can_be_asked_for(engine: Engine) -> None:
    driven = drive(engine, text="1")
    driven.begin()
    driven.finish("2")
    answer(driven, "3", "4")
    assert texts(view(driven, Since(newest=3)).messages) == said("2", "3", "4")
    assert view(driven, Since(newest=0)).messages == ()
    assert len(view(driven, Since(newest=50)).messages) == 4


def test_a_running_chat_is_live_and_has_its_episode(engine: Engine) -> None:
    driven = drive(engine)
    episode = driven.begin()
    found = view(driven)
    assert found.live
    assert found.chat.episode == episode
    assert found.chat.status is Status.RUNNING


def test_the_queue_comes_in_its_order_and_only_when_it_is_newer(engine: Engine) -> None:
    driven = drive(engine)
    driven.begin()
    first, second = driven.send("first"), driven.send("second")
    found = view(driven)
    assert [one.turn_id for one in found.queue] == [first.turn_id, second.turn_id]
    assert [one.content for one in found.queue] == said("first", "second")
    assert view(driven, Since(state=found.chat.queue_version)).queue == ()


def test_ends_of_turns_come_in_the_order_of_ending(engine: Engine) -> None:
    driven = drive(engine)
    driven.begin()
    driven.finish("answer")
    before = driven.chat.snapshot_version
    answer(driven, "again", "and again")
    ended = view(driven).outcomes
    assert [one.status for one in ended] == [TurnStatus.FINISHED, TurnStatus.FINISHED]
    assert ended[0].turn_id == driven.turn_id
    assert ended[0].answer_message_id == view(driven).messages[1].id
    assert view(driven, Since(turns=before)).outcomes == ended[1:]


def test_a_failed_turn_brings_its_error(engine: Engine) -> None:
    driven = drive(engine)
    driven.begin()
    driven.fail(retryable=False)
    [ended] = view(driven).outcomes
    assert ended.status is TurnStatus.FAILED
    assert ended.error == driven.chat.last_error
    assert ended.error is not None


def test_one_turn_can_be_asked_for_whatever_became_of_it(engine: Engine) -> None:
    driven = drive(engine)
    found = view(driven, Since(turn=driven.turn_id, turns=2**62)).turn
    assert found is not None
    assert (found.turn_id, found.status, found.revision) == (
        driven.turn_id,
        TurnStatus.ACTIVE,
        None,
    )
    other = drive(engine)
    assert view(driven, Since(turn=other.turn_id)).turn is None


def test_removed_messages_are_reported_by_their_snapshot(engine: Engine) -> None:
    driven = drive(engine)
    driven.begin()
    driven.finish("answer")
    driven.edit("another question")
    found = view(driven)
    removed = Removal(revision=driven.chat.snapshot_version, first=driven.user_message_id)
    assert found.removals == (removed,)
    assert texts(found.messages) == said("another question")
    assert view(driven, Since(turns=driven.chat.snapshot_version)).removals == ()


def test_a_long_way_back_is_read_in_pages(engine: Engine) -> None:
    driven = drive(engine, text="0")
    driven.begin()
    driven.finish("1")
    for number in range(2, 206, 2):
        answer(driven, str(number), str(number + 1))
    first = view(driven)
    assert (len(first.messages), first.more) == (200, True)
    second = view(driven, Since(message=first.messages[-1].id))
    assert (len(second.messages), second.more) == (6, False)


def test_a_page_ends_with_the_message_that_makes_it_heavy(engine: Engine) -> None:
    # What compresses well is measured as it is stored: only noise is heavy.
    heavy = "".join(uuid4().hex for _ in range(300_000))
    driven = drive(engine, text=heavy)
    driven.begin()
    driven.finish("light")
    found = view(driven)
    assert (len(found.messages), found.more) == (1, True)


def test_versions_of_watched_chats_leave_out_what_is_gone(engine: Engine) -> None:
    here, gone = drive(engine), drive(engine)
    gone.delete()
    with engine.connect() as connection:
        versions = read_versions(connection, [here.id, gone.id])
    assert versions == {here.id: here.chat.snapshot_version}
