"""Creating, reading, listing, changing and deleting chats."""

from tests.integration.api.served import Api, Client


def test_creating_a_chat_answers_with_the_chat_and_its_turn(alice: Client) -> None:
    reply = alice.post("/v1/chats", {"content": "one two three four five six seven"})
    assert reply.status == 201
    chat = reply.json
    assert chat["status"] == "pending"
    assert chat["title"] == "one two three four five six"
    assert chat["owner"] == "alice"
    assert chat["model"] == "scripted"
    assert chat["turn_id"]
    assert alice.get(f"/v1/chats/{chat['id']}").json == chat


def test_a_message_to_a_busy_chat_waits_in_its_queue(alice: Client) -> None:
    chat = alice.post("/v1/chats", {"content": "first"}).json
    reply = alice.post(f"/v1/chats/{chat['id']}/messages", {"content": "second"})
    assert reply.status == 202
    assert reply.json["queued_message"]["content"] == [{"type": "text", "text": "second"}]
    assert alice.get(f"/v1/chats/{chat['id']}/queue").json["items"] == [
        reply.json["queued_message"]
    ]


def test_an_unknown_path_is_a_problem(api: Api) -> None:
    assert api.client.get("/nowhere").code == "not_found"
