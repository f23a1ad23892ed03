"""Sending, queueing, editing and reading messages."""

import base64
import threading

import pytest
from sqlalchemy import text

from tests.integration.api.served import Api, Client, Reply


def _texts(items: list[dict[str, list[dict[str, str]]]]) -> list[str]:
    return [item["content"][0]["text"] for item in items]


def _send(client: Client, chat_id: str, words: str, **fields: object) -> Reply:
    return client.post(f"/v1/chats/{chat_id}/messages", {"content": words, **fields})


def test_a_message_to_a_waiting_chat_stands_in_its_history_at_once(api: Api, alice: Client) -> None:
    chat_id = alice.start()["id"]
    api.set_status(chat_id, "waiting")
    reply = _send(alice, chat_id, "more", author="Ann", metadata={"a": 1})
    assert reply.status == 202
    accepted = reply.json
    assert accepted["status"] == "pending"
    assert "queued_message" not in accepted
    [newest, _] = alice.get(f"/v1/chats/{chat_id}/messages").json["items"]
    assert newest == accepted["message"]
    assert newest["turn_id"] == accepted["turn_id"]
    assert (newest["author"], newest["metadata"]) == ("Ann", {"a": 1})
    assert accepted["cursor"] == alice.get(f"/v1/chats/{chat_id}").json["cursor"]


def test_a_message_to_a_busy_chat_waits_in_its_queue(alice: Client) -> None:
    chat_id = alice.start()["id"]
    accepted = _send(alice, chat_id, "second").json
    assert "message" not in accepted
    assert alice.get(f"/v1/chats/{chat_id}/queue").json["items"] == [accepted["queued_message"]]
    assert alice.get(f"/v1/chats/{chat_id}").json["queue_length"] == 1


def test_a_message_that_asks_for_it_is_refused_by_a_busy_chat(alice: Client) -> None:
    chat_id = alice.start()["id"]
    reply = _send(alice, chat_id, "second", busy_behavior="reject")
    assert (reply.status, reply.code) == (409, "chat_busy")
    assert reply.json["current_status"] == "pending"
    assert alice.get(f"/v1/chats/{chat_id}").json["queue_length"] == 0


def test_an_interrupting_message_takes_the_place_of_the_turn(alice: Client) -> None:
    chat = alice.start()
    accepted = _send(alice, chat["id"], "rather this", busy_behavior="interrupt").json
    assert accepted["message"]["content"][0]["text"] == "rather this"
    first = alice.get(f"/v1/chats/{chat['id']}/turns/{chat['turn_id']}").json
    assert first["status"] == "interrupted"


def test_the_twenty_first_message_does_not_fit_into_the_queue(alice: Client) -> None:
    chat_id = alice.start()["id"]
    for number in range(20):
        assert _send(alice, chat_id, str(number)).status == 202
    reply = _send(alice, chat_id, "20")
    assert (reply.status, reply.code) == (429, "queue_full")
    assert reply.headers["retry-after"] == "1"
    assert alice.get(f"/v1/chats/{chat_id}").json["queue_length"] == 20


def test_messages_sent_at_the_same_moment_all_find_a_place(alice: Client) -> None:
    chat_id = alice.start()["id"]
    replies: list[Reply] = []
    threads = [
        threading.Thread(target=lambda: replies.append(_send(alice, chat_id, "x")))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [reply.status for reply in replies] == [202] * 12
    assert len(alice.get(f"/v1/chats/{chat_id}/queue").json["items"]) == 12


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"content": ""}, "content"),
        ({"content": "a", "busy_behavior": "maybe"}, "busy_behavior"),
        ({"content": "a", "model": "nobody"}, "model"),
        ({"content": "a", "author": ""}, "author"),
        ({"content": "a", "title": "t"}, "title"),
    ],
)
def test_a_wrong_message_is_refused_by_name(
    alice: Client, fields: dict[str, object], named: str
) -> None:
    chat_id = alice.start()["id"]
    reply = alice.post(f"/v1/chats/{chat_id}/messages", fields)
    assert reply.code == "invalid_request"
    assert [fault["field"] for fault in reply.json["errors"]] == [named]


def test_the_transcript_pages_backwards_and_forwards(api: Api, alice: Client) -> None:
    path = _chat_with_messages(api, alice, 5)
    back = alice.get(f"{path}?limit=2").json
    assert _texts(back["items"]) == ["4", "3"]
    back = alice.get(f"{path}?limit=2&before_id={back['next_cursor']}").json
    assert _texts(back["items"]) == ["2", "1"]
    back = alice.get(f"{path}?limit=2&before_id={back['next_cursor']}").json
    assert (_texts(back["items"]), back["next_cursor"]) == (["0"], None)
    forth = alice.get(f"{path}?limit=3&after_id=0").json
    assert _texts(forth["items"]) == ["0", "1", "2"]
    forth = alice.get(f"{path}?limit=3&after_id={forth['next_cursor']}").json
    assert (_texts(forth["items"]), forth["next_cursor"]) == (["3", "4"], None)


def test_both_bounds_together_cut_out_a_piece(api: Api, alice: Client) -> None:
    path = _chat_with_messages(api, alice, 4)
    ids = [item["id"] for item in alice.get(f"{path}?after_id=0").json["items"]]
    piece = alice.get(f"{path}?after_id={ids[0]}&before_id={ids[3]}").json
    assert _texts(piece["items"]) == ["1", "2"]


@pytest.mark.parametrize("query", ["limit=0", "before_id=-1", "after_id=x", f"after_id={2**63}"])
def test_a_wrong_bound_is_refused(alice: Client, query: str) -> None:
    chat_id = alice.start()["id"]
    assert alice.get(f"/v1/chats/{chat_id}/messages?{query}").code == "invalid_request"


def test_an_edited_message_takes_back_what_came_after_it(api: Api, alice: Client) -> None:
    path = _chat_with_messages(api, alice, 3)
    ids = [item["id"] for item in alice.get(f"{path}?after_id=0").json["items"]]
    reply = alice.patch(f"{path}/{ids[1]}", {"content": "anew"})
    assert reply.status == 202
    assert reply.json["status"] == "pending"
    left = alice.get(f"{path}?after_id=0").json["items"]
    assert _texts(left) == ["0", "anew"]
    assert left[-1] == reply.json["message"]


def test_editing_what_is_not_there_is_not_found(alice: Client) -> None:
    path = f"/v1/chats/{alice.start()['id']}/messages"
    for message_id in ("999999999", str(2**63), "0", "x", "1.0", "+1", "%201", "-1"):
        assert alice.patch(f"{path}/{message_id}", {"content": "a"}).code == "not_found"


def _chat_with_messages(api: Api, client: Client, count: int) -> str:
    chat_id = client.start("0")["id"]
    for number in range(1, count):
        api.set_status(chat_id, "waiting")
        assert _send(client, chat_id, str(number)).status == 202
    return f"/v1/chats/{chat_id}/messages"


def test_a_page_of_large_messages_is_cut_short_and_goes_on(alice: Client, api: Api) -> None:
    data = base64.b64encode(bytes(12 * 1024 * 1024)).decode()
    part = {"type": "file", "media_type": "application/octet-stream", "data": data}
    chat_id = alice.start("0")["id"]
    with api.engine.begin() as connection:
        # Bytes that do not compress are as large in the table as they are here.
        connection.execute(text("ALTER TABLE messages ALTER COLUMN content SET STORAGE EXTERNAL"))
    for _ in range(3):
        api.set_status(chat_id, "waiting")
        assert alice.post(f"/v1/chats/{chat_id}/messages", {"content": [part]}).status == 202
    path = f"/v1/chats/{chat_id}/messages?after_id="
    first = alice.get(f"{path}0").json
    assert len(first["items"]) == 2
    second = alice.get(f"{path}{first['next_cursor']}").json
    third = alice.get(f"{path}{second['next_cursor']}").json
    assert (len(second["items"]), len(third["items"]), third["next_cursor"]) == (1, 1, None)
