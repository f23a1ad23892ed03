"""A repeated request does nothing and gets the same answer."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text

from api.auth.caller import KeyRole
from api.idempotency.keys import forget_old
from tests.integration.api.served import Api, Client, Reply


def _at_once(count: int, ask: Callable[[], Reply]) -> list[Reply]:
    replies: list[Reply] = []
    barrier = threading.Barrier(count)

    def run() -> None:
        barrier.wait()
        replies.append(ask())

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return replies


def _count(client: Client) -> int:
    return len(client.get("/v1/chats?limit=200").json["items"])


def test_a_repeated_creation_creates_one_chat(alice: Client) -> None:
    first = alice.post("/v1/chats", {"content": "a"}, once="k1")
    again = alice.post("/v1/chats", {"content": "a"}, once="k1")
    assert (again.status, again.body) == (first.status, first.body)
    assert _count(alice) == 1


def test_a_repeat_gets_the_first_answer_though_the_chat_has_moved_on(alice: Client) -> None:
    first = alice.post("/v1/chats", {"content": "a"}, once="k1")
    alice.patch(f"/v1/chats/{first.json['id']}", {"title": "other"})
    assert alice.post("/v1/chats", {"content": "a"}, once="k1").body == first.body
    alice.delete(f"/v1/chats/{first.json['id']}")
    assert alice.post("/v1/chats", {"content": "a"}, once="k1").body == first.body
    assert _count(alice) == 0


def test_the_same_request_written_differently_is_the_same(alice: Client) -> None:
    first = alice.ask(
        "POST", "/v1/chats", raw=b'{"content":"a","title":"t"}', headers={"Idempotency-Key": "k"}
    )
    again = alice.ask(
        "POST",
        "/v1/chats",
        raw=b'{ "title": "t", "content": "\\u0061" }',
        headers={"Idempotency-Key": "k"},
    )
    assert again.body == first.body


@pytest.mark.parametrize("body", [{"content": "b"}, {"content": "a", "title": "t"}])
def test_the_key_of_another_request_is_refused(alice: Client, body: object) -> None:
    alice.post("/v1/chats", {"content": "a"}, once="k1")
    reply = alice.post("/v1/chats", body, once="k1")
    assert (reply.status, reply.code) == (422, "idempotency_mismatch")
    assert _count(alice) == 1


def test_the_same_words_to_another_chat_are_another_request(alice: Client) -> None:
    one, two = alice.start()["id"], alice.start()["id"]
    assert alice.post(f"/v1/chats/{one}/messages", {"content": "x"}, once="k").status == 202
    assert alice.post(f"/v1/chats/{two}/messages", {"content": "x"}, once="k").status == 422


def test_callers_do_not_share_keys(alice: Client, bob: Client) -> None:
    first = alice.post("/v1/chats", {"content": "a"}, once="k1").json
    second = bob.post("/v1/chats", {"content": "a"}, once="k1").json
    assert first["id"] != second["id"]


def test_another_key_of_the_same_owner_repeats_the_same_request(api: Api) -> None:
    one, two = api.caller("rotating"), api.caller("rotating")
    first = one.post("/v1/chats", {"content": "a"}, once="k1")
    assert two.post("/v1/chats", {"content": "a"}, once="k1").body == first.body


def test_a_role_does_not_read_what_the_other_was_answered(api: Api) -> None:
    user, admin = api.caller("both"), api.caller("both", KeyRole.ADMIN)
    first = admin.post("/v1/chats", {"content": "a"}, once="k1").json
    assert user.post("/v1/chats", {"content": "a"}, once="k1").json["id"] != first["id"]


@pytest.mark.parametrize("field", ["key", None])
def test_twins_at_the_same_moment_create_one_chat(alice: Client, field: str | None) -> None:
    body = {"content": "a"} | ({} if field is None else {"key": "the-key"})
    replies = _at_once(6, lambda: alice.post("/v1/chats", body, once="k1"))
    assert {reply.status for reply in replies} == {201}
    assert len({reply.body for reply in replies}) == 1
    assert _count(alice) == 1


def test_twins_at_the_same_moment_send_one_message(alice: Client) -> None:
    path = f"/v1/chats/{alice.start()['id']}"
    replies = _at_once(6, lambda: alice.post(f"{path}/messages", {"content": "x"}, once="k"))
    assert len({reply.body for reply in replies}) == 1
    assert len(alice.get(f"{path}/queue").json["items"]) == 1


def test_a_repeat_of_a_move_that_is_not_allowed_any_more_is_answered(
    api: Api, alice: Client
) -> None:
    chat_id = alice.start()["id"]
    api.set_status(chat_id, "error")
    first = alice.post(f"/v1/chats/{chat_id}/retry", once="k")
    again = alice.post(f"/v1/chats/{chat_id}/retry", once="k")
    assert (first.status, again.status) == (202, 202)
    assert again.body == first.body


def test_a_refused_request_is_not_kept(api: Api, alice: Client) -> None:
    chat_id = alice.start()["id"]
    assert alice.post(f"/v1/chats/{chat_id}/retry", once="k").status == 409
    api.set_status(chat_id, "error")
    assert alice.post(f"/v1/chats/{chat_id}/retry", once="k").status == 202


def test_every_move_can_be_repeated(api: Api, alice: Client) -> None:
    path = f"/v1/chats/{alice.start()['id']}"
    queued = alice.post(f"{path}/messages", {"content": "q"}).json["queued_message"]["id"]
    message = alice.get(f"{path}/messages").json["items"][0]["id"]
    moves: list[tuple[str, str, object]] = [
        ("PATCH", path, {"title": "t"}),
        ("POST", f"{path}/queue/{queued}/promote", None),
        ("POST", f"{path}/interrupt", None),
        ("PATCH", f"{path}/messages/{message}", {"content": "new"}),
        ("PUT", "/v1/chats/by-key/some/messages", {"content": "x"}),
    ]
    for number, (method, where, body) in enumerate(moves):
        headers = {"Idempotency-Key": f"move-{number}"}
        first = alice.ask(method, where, body, headers=headers)
        assert first.status in (200, 201, 202), (method, where, first)
        assert alice.ask(method, where, body, headers=headers).body == first.body


def test_an_answer_is_kept_for_a_day(api: Api, alice: Client) -> None:
    first = alice.post("/v1/chats", {"content": "a"}, once="k1").json
    _age(api, timedelta(hours=23, minutes=59))
    assert alice.post("/v1/chats", {"content": "a"}, once="k1").json == first
    _age(api, timedelta(minutes=2))
    second = alice.post("/v1/chats", {"content": "a"}, once="k1").json
    assert second["id"] != first["id"]
    assert alice.post("/v1/chats", {"content": "a"}, once="k1").json == second


def test_old_answers_are_removed(api: Api, alice: Client) -> None:
    alice.post("/v1/chats", {"content": "a"}, once="old")
    _age(api, timedelta(hours=25))
    alice.post("/v1/chats", {"content": "a"}, once="new")
    assert forget_old(api.engine) >= 1
    with api.engine.connect() as connection:
        keys = connection.execute(text("SELECT key FROM idempotency_keys")).scalars().all()
    assert keys == ["new"]


@pytest.mark.parametrize("key", ["", "x" * 256, "ü"])
def test_a_key_that_is_none_is_refused(alice: Client, key: str) -> None:
    headers = {"Idempotency-Key": key}
    reply = alice.ask("POST", "/v1/chats", {"content": "a"}, headers=headers)
    assert reply.code == "invalid_request"
    assert reply.json["errors"][0]["field"] == "Idempotency-Key"


def test_a_key_names_one_chat_whoever_comes_first(alice: Client) -> None:
    path = "/v1/chats/by-key/slack/C1/17.5/messages"
    replies = _at_once(8, lambda: alice.put(path, {"content": "x", "labels": {"a": "b"}}))
    assert sorted(reply.status for reply in replies) == [201] + [202] * 7
    [chat] = alice.get("/v1/chats").json["items"]
    assert chat["key"] == "slack/C1/17.5"
    assert chat["queue_length"] == 7
    assert chat["labels"] == {"a": "b"}


def test_a_keyed_chat_deleted_meanwhile_is_created_anew(alice: Client) -> None:
    path = "/v1/chats/by-key/k/messages"
    first = alice.put(path, {"content": "x"}).json["id"]
    alice.delete(f"/v1/chats/{first}")
    reply = alice.put(path, {"content": "x"})
    assert (reply.status, reply.json["key"]) == (201, "k")


def test_a_keyed_message_follows_the_rules_of_sending(api: Api, alice: Client) -> None:
    path = "/v1/chats/by-key/k/messages"
    chat_id = alice.put(path, {"content": "x"}).json["id"]
    reply = alice.put(path, {"content": "y", "busy_behavior": "reject"})
    assert (reply.status, reply.code) == (409, "chat_busy")
    api.set_status(chat_id, "waiting")
    accepted = alice.put(path, {"content": "y", "author": "Ann"})
    assert accepted.status == 202
    assert accepted.json["message"]["author"] == "Ann"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("k", {"content": ""}, 400),
        ("k", {"content": "a", "key": "other"}, 400),
        ("k", {"content": "a", "key": "k"}, 201),
        ("x" * 201, {"content": "a"}, 400),
        ("%00", {"content": "a"}, 404),
        ("%FF", {"content": "a"}, 404),
        ("%ED%A0%80", {"content": "a"}, 404),
    ],
)
def test_a_keyed_message_is_checked(
    alice: Client, path: str, body: dict[str, object], status: int
) -> None:
    assert alice.put(f"/v1/chats/by-key/{path}/messages", body).status == status


def _age(api: Api, by: timedelta) -> None:
    with api.engine.begin() as connection:
        connection.execute(
            text("UPDATE idempotency_keys SET created_at = created_at - :by"), {"by": by}
        )
