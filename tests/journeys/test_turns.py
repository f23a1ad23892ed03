"""A message goes in, an answer comes out, in order, for everybody who watches."""

from pathlib import Path

from openai import OpenAI

from tests.fakes.process import FakeModels
from tests.journeys.conftest import MakeFleet, declare
from tests.journeys.fleet import Fleet
from tests.journeys.replay import Replay, text_of
from tests.journeys.scripts import say, script, slowly


def test_one_request_is_answered_by_its_stream(fleet: Fleet) -> None:
    body = {"content": script(say("Hello, "), say("world."))}
    with fleet.stream("/v1/chats", method="POST", body=body) as stream:
        replay = Replay().take_all(stream.wait_for_end())
    chat_id, turn_id = stream.headers["Stepwell-Chat-Id"], stream.headers["Stepwell-Turn-Id"]
    assert not replay.faults
    assert [role for role, _ in replay.texts()] == ["user", "assistant"]
    assert replay.texts()[1] == ("assistant", "Hello, world.")
    assert replay.ended_turns == [(turn_id, "finished")]
    assert fleet.ask("GET", f"/v1/chats/{chat_id}")["status"] == "waiting"


def test_every_token_is_previewed_before_the_message(fleet: Fleet) -> None:
    chat = fleet.new_chat(script(slowly("tick ", 40, 0.01)))
    with fleet.stream(f"/v1/chats/{chat['id']}/stream?until=idle") as stream:
        replay = Replay().take_all(stream.wait_for_end())
    [(message_id, previewed)] = replay.previewed.items()
    assert previewed == "tick " * 40 == text_of(replay.messages[message_id]["content"])


def test_three_turns_follow_each_other(fleet: Fleet) -> None:
    chat = fleet.new_chat(script(say("one")))
    assert fleet.turn(chat["id"], chat["turn_id"])["status"] == "finished"
    for answer in ("two", "three"):
        sent = fleet.send(chat["id"], script(say(answer)))
        turn = fleet.turn(chat["id"], sent["turn_id"])
        assert turn["status"] == "finished"
        assert turn["steps"] == 1
    answers = [
        text_of(message["content"])
        for message in fleet.transcript(chat["id"])
        if message["role"] == "assistant"
    ]
    assert answers == ["one", "two", "three"]


def test_queued_messages_are_answered_in_their_order(fleet: Fleet) -> None:
    chat = fleet.new_chat(script(slowly("a", 20, 0.05)))
    turns = [chat["turn_id"]]
    for text in ("second", "third"):
        sent = fleet.send(chat["id"], script(say(text)))
        assert sent["queued_message"]["id"]
        turns.append(sent["turn_id"])
    queue = fleet.ask("GET", f"/v1/chats/{chat['id']}/queue")["items"]
    assert [item["turn_id"] for item in queue] == turns[1:]
    with fleet.stream(f"/v1/chats/{chat['id']}/stream?until=idle") as stream:
        replay = Replay().take_all(stream.wait_for_end())
    fleet.check_agrees(chat["id"], replay)
    assert [turn for turn, _ in replay.ended_turns] == turns
    roles = [role for role, _ in replay.texts()]
    assert roles == ["user", "assistant"] * 3
    assert [text for role, text in replay.texts() if role == "assistant"][1:] == ["second", "third"]


def test_two_readers_see_the_same(fleet: Fleet) -> None:
    chat = fleet.new_chat(script(slowly("tick ", 20, 0.02)))
    path = f"/v1/chats/{chat['id']}/stream?until=idle"
    with fleet.stream(path) as one, fleet.stream(path) as other:
        first, second = (Replay().take_all(s.wait_for_end()) for s in (one, other))
    for replay in (first, second):
        fleet.check_agrees(chat["id"], replay)


def test_a_late_reader_gets_the_beginning_too(fleet: Fleet) -> None:
    chat = fleet.new_chat(script(slowly("tick ", 60, 0.02)))
    path = f"/v1/chats/{chat['id']}/stream?until=idle"
    with fleet.stream(path) as early:
        early.wait_for("message_part", lambda part: part["seq"] >= 5)
        with fleet.stream(path) as late:
            replay = Replay().take_all(late.wait_for_end())
    assert not replay.faults
    assert list(replay.previewed.values()) == ["tick " * 60]


def test_a_turn_s_time_adds_up_to_its_length(fleet: Fleet) -> None:
    chat = fleet.new_chat(script(slowly("a", 5, 0.05)))
    turn = fleet.turn(chat["id"], chat["turn_id"])
    assert turn["time"]["provider"] >= 0.25
    assert turn["usage"]["output_tokens"] > 0


def test_worker_and_official_client_get_the_same(
    make_fleet: MakeFleet, fake_models: FakeModels, tmp_path: Path
) -> None:
    content = script(say("Grüße, "), slowly("дом ", 10, 0.0), say("🏠."))
    official = OpenAI(base_url=fake_models.openai_url, api_key="key", max_retries=0)
    message = {"role": "user", "content": content}
    completion = official.chat.completions.create(model="fake", messages=[message])  # pyright: ignore[reportCallIssue, reportArgumentType]
    official.close()

    fleet = make_fleet(STEPWELL_CONFIG=str(declare(tmp_path, fake_models))).start()
    chat = fleet.new_chat(content)
    assert fleet.turn(chat["id"], chat["turn_id"])["status"] == "finished"
    answer = text_of(fleet.transcript(chat["id"])[-1]["content"])
    assert answer == completion.choices[0].message.content == "Grüße, " + "дом " * 10 + "🏠."
