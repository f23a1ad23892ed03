"""The stream over real sockets: HTTP, PostgreSQL and Valkey."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import cast
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from local.databases.valkey import Valkey
from shared.chats.machine.machine import ChatMachine
from shared.config.settings import Settings
from shared.redis.connection import open_pipeline, open_redis
from tests.chats import make_machine
from tests.integration.api.served import Api, Client, serve
from tests.integration.events.listening import kill
from tests.integration.stream.driving import Driven, drive
from tests.integration.stream.following import Follower, Speaker, following
from tests.unit.stream.reading import Reading, Sent


def pubsub_channels(url: str) -> int:
    with open_redis(url) as redis:
        pipeline = open_pipeline(redis)
        pipeline.execute_command("PUBSUB", "CHANNELS", "stepwell:chat:*")
        [channels] = pipeline.execute()
    return len(cast(list[bytes], channels))


def replay(events: Sequence[Sent]) -> Reading:
    reading = Reading()
    for event in events:
        reading.take(event)
    return reading


def test_a_turn_as_a_watching_client_sees_it(alice: Client, chat: Driven, speaker: Speaker) -> None:
    with following(alice, chat.id) as follower:
        assert follower.response.status == 200
        assert follower.response.headers["Content-Type"].startswith("text/event-stream")
        assert follower.response.headers["Cache-Control"] == "no-cache, no-transform"
        assert follower.response.headers["X-Accel-Buffering"] == "no"
        assert "Content-Length" not in follower.response.headers
        assert follower.block() == b"retry: 2000\n\n"
        follower.until(lambda one: one.status == "pending")
        writer = speaker.open(chat.id, chat.begin())
        follower.until(lambda one: one.status == "running")
        for word in ("Hello ", "wor", "ld"):
            assert speaker.say(writer, word)
        follower.until(lambda one: one.preview == {0: "Hello world"})
        chat.finish("Hello world")
        follower.until(lambda one: one.status == "waiting")
    assert follower.names == [
        "message",
        "title",
        "status",
        "status",
        "message_part",
        "message_part",
        "message_part",
        "message",
        "turn_end",
        "status",
    ]
    part = follower.events[4].data
    assert part == {
        "history_version": 1,
        "attempt": 1,
        "seq": 1,
        "index": 0,
        "role": "assistant",
        "part": {"type": "text", "text": "Hello "},
        "turn_id": str(chat.turn_id),
    }


def test_a_client_cut_off_after_any_event_gets_the_rest_and_nothing_twice(
    alice: Client, chat: Driven, speaker: Speaker
) -> None:
    with following(alice, chat.id, "?until=idle") as follower:
        writer = speaker.open(chat.id, chat.begin())
        for word in ("a ", "b ", "c"):
            assert speaker.say(writer, word)
        chat.send("next")
        chat.fail(retryable=True)
        writer = speaker.open(chat.id, chat.begin_now())
        assert speaker.say(writer, "again")
        chat.finish("again")
        chat.begin()
        chat.finish("and the next")
        follower.rest()
    whole = follower.reading
    assert whole.messages
    for after in range(1, len(follower.events) + 1):
        resumed = replay(follower.events[:after])
        query = f"?until=idle&after={resumed.last_id}"
        with following(alice, chat.id, query) as rest:
            rest.reading = resumed
            rest.rest()
        assert resumed.messages == whole.messages
        assert (resumed.status, resumed.preview, resumed.queue) == ("waiting", {}, [])


def test_the_header_of_a_browser_that_comes_back_wins_over_its_url(
    alice: Client, chat: Driven
) -> None:
    with following(alice, chat.id) as follower:
        follower.until(lambda one: one.status == "pending")
        first, *_, last = follower.events
    with following(
        alice,
        chat.id,
        f"?after={first.id}&until=turn:{chat.turn_id}",
        headers={"Last-Event-ID": last.id},
    ) as again:
        chat.begin()
        again.until(lambda one: one.status == "running")
        chat.finish("x")
        assert again.rest() == ["message", "turn_end"]
    assert again.names == ["status", "message", "turn_end"]


def test_a_cursor_is_the_place_behind_what_a_chat_shows(alice: Client, chat: Driven) -> None:
    cursor = alice.get(f"/v1/chats/{chat.id}").json["cursor"]
    chat.entitle("a better one")
    with following(alice, chat.id, f"?after={cursor}") as follower:
        event = follower.next()
        assert event is not None
        assert (event.name, event.data) == ("title", {"title": "a better one"})


def test_an_answer_in_progress_comes_whole_to_who_comes_late(
    alice: Client, chat: Driven, speaker: Speaker
) -> None:
    writer = speaker.open(chat.id, chat.begin())
    for _ in range(20):
        assert speaker.say(writer, "x")
    with following(alice, chat.id) as follower:
        follower.until(lambda one: one.preview == {0: "x" * 20})
        assert follower.names.count("message_part") == 1  # merged: one event is enough
        assert speaker.say(writer, "y")
        follower.until(lambda one: one.preview == {0: "x" * 20 + "y"})


def test_history_limits_what_a_stream_begins_with(alice: Client, chat: Driven) -> None:
    chat.begin()
    chat.finish("an answer")
    for history, expected in ((0, 0), (1, 1), (50, 2)):
        with following(alice, chat.id, f"?history={history}&until=idle") as follower:
            assert follower.rest().count("message") == expected


def test_a_client_that_has_everything_gets_an_empty_stream(alice: Client, chat: Driven) -> None:
    chat.begin()
    chat.finish("x")
    with following(alice, chat.id, "?until=idle") as follower:
        follower.rest()
    with following(alice, chat.id, f"?until=idle&after={follower.reading.last_id}") as again:
        assert again.rest() == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?after=nonsense", "after"),
        ("?after=999-1-1-0-0", "after"),
        ("?until=never", "until"),
        ("?history=-1", "history"),
        ("?history=501", "history"),
        ("?histroy=1", "histroy"),
    ],
)
def test_what_a_stream_does_not_understand_is_refused_by_name(
    alice: Client, chat: Driven, query: str, field: str
) -> None:
    reply = alice.get(f"/v1/chats/{chat.id}/stream{query}")
    assert (reply.status, reply.code) == (400, "invalid_request")
    assert [fault["field"] for fault in reply.json["errors"]] == [field]


def test_who_may_not_read_a_chat_finds_none(api: Api, alice: Client, chat: Driven) -> None:
    assert api.caller("bob").get(f"/v1/chats/{chat.id}/stream").status == 404
    assert alice.get(f"/v1/chats/{uuid4()}/stream").status == 404
    assert api.client.get(f"/v1/chats/{chat.id}/stream").status == 401
    reply = alice.get(f"/v1/chats/{chat.id}/stream?until=turn:{uuid4()}")
    assert reply.status == 404


def test_a_deleted_chat_says_so_and_ends(alice: Client, chat: Driven) -> None:
    with following(alice, chat.id) as follower:
        follower.until(lambda one: one.status == "pending")
        chat.delete()
        assert follower.rest() == ["chat_deleted"]
    assert alice.get(f"/v1/chats/{chat.id}/stream?after={follower.reading.last_id}").status == 404


def test_a_disconnect_stops_nothing_and_leaves_the_channel(
    alice: Client, chat: Driven, stream_settings: Settings
) -> None:
    url = stream_settings.redis_url.get_secret_value()
    with following(alice, chat.id) as follower, following(alice, chat.id) as other:
        follower.until(lambda one: one.status == "pending")
        other.until(lambda one: one.status == "pending")
        assert pubsub_channels(url) == 1
    chat.begin()
    assert chat.chat.status.value == "running"
    while pubsub_channels(url):
        chat.entitle("something to send, so that the server notices")


def test_an_idle_stream_is_kept_alive_by_comments(
    stream_settings: Settings, engine: Engine, machine: ChatMachine
) -> None:
    settings = stream_settings.model_copy(update={"heartbeat_seconds": 0.05})
    with serve(settings, engine) as api:
        chat = drive(engine, machine)
        with following(api.caller("alice"), chat.id) as follower:
            follower.until(lambda one: one.status == "pending")
            assert [follower.block()[:1] for _ in range(3)] == [b":"] * 3


def test_a_lost_notification_is_found_by_comparing(
    stream_settings: Settings, engine: Engine
) -> None:
    settings = stream_settings.model_copy(update={"stream_compare_seconds": 0.05})
    with serve(settings, engine) as api:
        silent = drive(engine, make_machine(engine))
        with following(api.caller("alice"), silent.id) as follower:
            follower.until(lambda one: one.status == "pending")
            silent.entitle("nobody was told")
            follower.until(lambda one: one.title == "nobody was told")
            silent.delete()
            assert follower.rest() == ["chat_deleted"]


def test_streams_live_from_the_database_while_redis_is_away_and_lose_nothing(
    stream_settings: Settings, engine: Engine, mortal: Valkey
) -> None:
    settings = Settings.model_validate({**stream_settings.model_dump(), "redis_url": mortal.url})
    with serve(settings, engine) as api, Speaker(mortal.url) as speaker:
        alice = api.caller("alice")
        chat = drive(engine, make_machine(engine))  # its hints reach nobody anyway
        with following(alice, chat.id) as follower:
            follower.until(lambda one: one.status == "pending")
            writer = speaker.open(chat.id, chat.begin())
            assert speaker.say(writer, "before ")
            follower.until(lambda one: one.preview == {0: "before "})
            kill(mortal)
            assert not speaker.say(writer, "while ")
            chat.entitle("told by the database")
            follower.until(lambda one: one.title == "told by the database")
            with following(alice, chat.id) as late:
                late.until(lambda one: one.status == "running")
            mortal.start()
            assert speaker.flush(writer)
            assert speaker.say(writer, "after")
            follower.until(lambda one: one.preview == {0: "before while after"})
            assert "preview_reset" not in follower.names


def test_many_readers_see_the_same_over_one_connection_to_redis(
    alice: Client, engine: Engine, machine: ChatMachine, stream_settings: Settings
) -> None:
    url = stream_settings.redis_url.get_secret_value()
    chats = [drive(engine, machine) for _ in range(3)]
    with ExitStack() as open_streams:
        followers: list[Follower] = []
        for chat in chats * 4:
            query = f"?until=turn:{chat.turn_id}"
            follower = open_streams.enter_context(following(alice, chat.id, query))
            follower.until(lambda one: one.status == "pending")
            followers.append(follower)
        assert pubsub_channels(url) == 3
        assert pubsub_connections(url) == 1
        for chat in chats:
            chat.begin()
            chat.finish("done")
        assert {follower.rest()[-1] for follower in followers} == {"turn_end"}
        assert {tuple(follower.reading.messages) for follower in followers} == {
            tuple(messages_of(alice, chat)) for chat in chats
        }


def pubsub_connections(url: str) -> int:
    with open_redis(url) as redis:
        pipeline = open_pipeline(redis)
        pipeline.execute_command("CLIENT", "LIST", "TYPE", "PUBSUB")
        [clients] = pipeline.execute()
    assert isinstance(clients, bytes)
    return len(clients.splitlines())


def messages_of(client: Client, chat: Driven) -> list[int]:
    items = client.get(f"/v1/chats/{chat.id}/messages").json["items"]
    return sorted(item["id"] for item in items)
