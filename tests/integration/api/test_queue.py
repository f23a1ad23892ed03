"""The queue, stopping and trying again."""

from tests.integration.api.served import Api, Client


def _queued(client: Client, *texts: str) -> tuple[str, list[int]]:
    path = f"/v1/chats/{client.start()['id']}"
    ids = [
        client.post(f"{path}/messages", {"content": text}).json["queued_message"]["id"]
        for text in texts
    ]
    return path, ids


def test_a_message_taken_out_of_the_queue_ends_its_turn(alice: Client) -> None:
    path, [first, second] = _queued(alice, "one", "two")
    reply = alice.delete(f"{path}/queue/{first}")
    assert reply.status == 202
    assert alice.get(f"{path}/turns/{reply.json['turn_id']}").json["status"] == "replaced"
    assert [item["id"] for item in alice.get(f"{path}/queue").json["items"]] == [second]
    assert alice.delete(f"{path}/queue/{first}").code == "not_found"


def test_a_promoted_message_is_answered_next(alice: Client) -> None:
    path, [first, second] = _queued(alice, "one", "two")
    reply = alice.post(f"{path}/queue/{second}/promote")
    assert reply.status == 202
    assert reply.json["message"]["content"] == [{"type": "text", "text": "two"}]
    assert alice.get(f"{path}").json["turn_id"] == reply.json["turn_id"]
    assert [item["id"] for item in alice.get(f"{path}/queue").json["items"]] == [first]


def test_a_message_promoted_into_a_running_turn_stays_in_the_queue(api: Api, alice: Client) -> None:
    path, [first, second] = _queued(alice, "one", "two")
    api.set_status(path.rpartition("/")[2], "running")
    reply = alice.post(f"{path}/queue/{second}/promote").json
    assert reply["status"] == "interrupting"
    assert reply["queued_message"]["interrupting"] is True
    assert [item["id"] for item in alice.get(f"{path}/queue").json["items"]] == [second, first]


def test_promoting_in_a_waiting_chat_is_not_allowed(api: Api, alice: Client) -> None:
    path, [first] = _queued(alice, "one")
    api.set_status(path.rpartition("/")[2], "waiting")
    reply = alice.post(f"{path}/queue/{first}/promote")
    assert (reply.status, reply.code) == (409, "move_not_allowed")
    assert reply.json["current_status"] == "waiting"


def test_interrupting_ends_the_turn_and_promotes_the_next(alice: Client) -> None:
    path, _ = _queued(alice, "one")
    stopped = alice.get(path).json["turn_id"]
    reply = alice.post(f"{path}/interrupt")
    assert reply.status == 202
    assert reply.json["turn_id"] == stopped
    assert reply.json["status"] == "pending"
    assert alice.get(f"{path}/turns/{stopped}").json["status"] == "interrupted"


def test_interrupting_may_clear_the_queue(alice: Client) -> None:
    path, _ = _queued(alice, "one", "two")
    reply = alice.post(f"{path}/interrupt", {"clear_queue": True})
    assert reply.json["status"] == "waiting"
    assert alice.get(f"{path}/queue").json["items"] == []


def test_interrupting_a_chat_that_does_nothing_is_a_success(api: Api, alice: Client) -> None:
    chat = alice.start()
    api.set_status(chat["id"], "waiting")
    reply = alice.post(f"/v1/chats/{chat['id']}/interrupt", {})
    assert (reply.status, reply.json["status"]) == (202, "waiting")


def test_a_wrong_interruption_is_refused_by_name(alice: Client) -> None:
    path = f"/v1/chats/{alice.start()['id']}"
    wrong: list[tuple[object, str]] = [
        ({"clear_queue": 1}, "clear_queue"),
        ({"x": 1}, "x"),
        (5, ""),
    ]
    for body, named in wrong:
        reply = alice.post(f"{path}/interrupt", body)
        assert reply.code == "invalid_request"
        assert reply.json["errors"][0]["field"] == named


def test_a_failed_turn_is_tried_again(api: Api, alice: Client) -> None:
    chat = alice.start()
    path = f"/v1/chats/{chat['id']}"
    assert alice.post(f"{path}/retry").code == "move_not_allowed"
    api.set_status(chat["id"], "error")
    reply = alice.post(f"{path}/retry")
    assert (reply.status, reply.json["status"]) == (202, "pending")
    assert reply.json["turn_id"] == chat["turn_id"]


def test_routes_without_a_body_refuse_one_that_says_something(alice: Client) -> None:
    path, [first] = _queued(alice, "one")
    assert alice.post(f"{path}/retry", {"why": "because"}).code == "invalid_request"
    assert alice.post(f"{path}/queue/{first}/promote", {}).status == 202
