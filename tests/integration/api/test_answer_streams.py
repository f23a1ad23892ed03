"""POSTs that are answered with the stream of the turn they begin."""

import http.client
import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

import pytest

from api.auth import keys
from api.auth.caller import KeyId, KeyRole
from api.auth.secret import new_secret
from tests.integration.api.served import Api, Client

SSE = "text/event-stream"


@dataclass(slots=True)
class Opened:
    """An open stream."""

    response: http.client.HTTPResponse

    @property
    def turn_id(self) -> str:
        return self.response.headers["Stepwell-Turn-Id"]

    @property
    def chat_id(self) -> str:
        return self.response.headers["Stepwell-Chat-Id"]

    def events(self) -> list[tuple[str, dict[str, object]]]:
        """Return all events to the end of the stream."""
        blocks = self.response.read().decode().split("\n\n")
        fields = [dict(_fields(block)) for block in blocks if "event: " in block]
        return [(field["event"], json.loads(field["data"])) for field in fields]


def _fields(block: str) -> list[tuple[str, str]]:
    lines = [line.partition(": ") for line in block.splitlines()]
    return [(name, value) for name, _, value in lines]


@contextmanager
def _opened(
    client: Client, path: str, body: object, *, once: str | None = None, accept: str = SSE
) -> Generator[Opened]:
    headers = {"Authorization": f"Bearer {client.key}", "Accept": accept}
    headers |= {"Content-Type": "application/json"} | (
        {} if once is None else {"Idempotency-Key": once}
    )
    connection = http.client.HTTPConnection(client.host, client.port, timeout=20)
    try:
        connection.request("POST", path, json.dumps(body), headers)
        yield Opened(connection.getresponse())
    finally:
        connection.close()


def test_a_new_chat_is_answered_with_its_turn(alice: Client) -> None:
    with _opened(alice, "/v1/chats", {"content": "hello"}) as stream:
        assert stream.response.status == 200
        assert stream.response.headers["Content-Type"].startswith(SSE)
        chat = alice.get(f"/v1/chats/{stream.chat_id}").json
        assert chat["turn_id"] == stream.turn_id
        alice.post(f"/v1/chats/{stream.chat_id}/interrupt")
        events = stream.events()
    [first] = [data for name, data in events if name == "message"]
    assert first["content"] == [{"type": "text", "text": "hello"}]
    name, last = events[-1]
    assert (name, last["turn_id"], last["status"]) == ("turn_end", stream.turn_id, "interrupted")


def test_a_message_is_answered_with_its_own_turn_and_not_with_what_was_before(
    api: Api, alice: Client
) -> None:
    chat = alice.start("before")
    path = f"/v1/chats/{chat['id']}"
    alice.post(f"{path}/interrupt")
    with _opened(alice, f"{path}/messages", {"content": "mine"}) as stream:
        alice.post(f"{path}/interrupt")
        events = stream.events()
    texts = [data["content"] for name, data in events if name == "message"]
    assert texts == [[{"type": "text", "text": "mine"}]]
    assert [data["turn_id"] for name, data in events if name == "turn_end"] == [stream.turn_id]


def test_a_queued_message_is_answered_when_its_turn_comes(alice: Client) -> None:
    chat = alice.start("first")
    path = f"/v1/chats/{chat['id']}"
    with _opened(alice, f"{path}/messages", {"content": "second"}) as stream:
        assert stream.turn_id != chat["turn_id"]
        alice.post(f"{path}/interrupt")
        alice.post(f"{path}/interrupt")
        events = stream.events()
    assert ("turn_end", stream.turn_id) == (events[-1][0], events[-1][1]["turn_id"])


def test_a_repeat_attaches_to_the_stream_of_the_turn(alice: Client) -> None:
    with (
        _opened(alice, "/v1/chats", {"content": "x"}, once="k") as first,
        _opened(alice, "/v1/chats", {"content": "x"}, once="k") as second,
    ):
        assert (first.chat_id, first.turn_id) == (second.chat_id, second.turn_id)
        alice.post(f"/v1/chats/{first.chat_id}/interrupt")
        one, other = first.events(), second.events()
    assert [name for name, _ in one][-1] == [name for name, _ in other][-1] == "turn_end"
    with _opened(alice, "/v1/chats", {"content": "x"}, once="k") as late:
        assert "turn_end" in [name for name, _ in late.events()]
    assert len(alice.get("/v1/chats").json["items"]) == 1


def test_a_repeat_may_want_the_other_kind_of_answer(alice: Client) -> None:
    chat = alice.post("/v1/chats", {"content": "x"}, once="k").json
    with _opened(alice, "/v1/chats", {"content": "x"}, once="k") as stream:
        assert (stream.chat_id, stream.turn_id) == (chat["id"], chat["turn_id"])


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/json, text/event-stream;q=0.5", "application/json"),
        ("text/event-stream;q=0", "application/json"),
        ("text/event-stream, application/json;q=0.9", SSE),
        ("TEXT/event-stream", SSE),
        ("text/event-stream;q=inf", "application/json"),
        ("text/event-stream;q=1.0, application/json;q=0.999", SSE),
        (";q=1;;,,", "application/json"),
    ],
)
def test_the_caller_says_which_answer_it_wants(alice: Client, accept: str, kind: str) -> None:
    with _opened(alice, "/v1/chats", {"content": "x"}, accept=accept) as stream:
        assert stream.response.headers["Content-Type"].startswith(kind)


@pytest.mark.parametrize(
    ("body", "status"), [({"content": ""}, 400), ({"content": "a", "key": "taken"}, 409)]
)
def test_a_refusal_is_a_problem_and_no_stream(alice: Client, body: object, status: int) -> None:
    alice.start(key="taken")
    with _opened(alice, "/v1/chats", body) as stream:
        assert stream.response.status == status
        assert stream.response.headers["Content-Type"] == "application/problem+json"


def test_a_client_that_leaves_stops_nothing(alice: Client) -> None:
    with _opened(alice, "/v1/chats", {"content": "x"}) as stream:
        path = f"/v1/chats/{stream.chat_id}"
    assert alice.get(path).json["status"] == "pending"


def test_revoking_a_key_ends_its_streams_within_five_seconds(api: Api) -> None:
    key_id, secret = KeyId(uuid4()), new_secret()
    with api.engine.begin() as connection:
        keys.add(connection, key_id, secret, owner="x", role=KeyRole.USER)
    with _opened(api.client.with_key(secret), "/v1/chats", {"content": "x"}) as stream:
        with api.engine.begin() as connection:
            keys.revoke(connection, key_id)
        began = time.monotonic()
        stream.events()
        assert time.monotonic() - began < 5


def test_many_streams_take_no_thread_and_no_connection(alice: Client) -> None:
    chat = alice.start()
    path = f"/v1/chats/{chat['id']}/messages"
    ended: list[str] = []

    def watch() -> None:
        with _opened(alice, path, {"content": "x"}) as stream:
            ended.append(stream.events()[-1][0])

    threads = [threading.Thread(target=watch) for _ in range(19)]
    for thread in threads:
        thread.start()
    # More than twice as many as there are threads; the first of them may still be on its way.
    assert alice.get(f"/v1/chats/{chat['id']}").status == 200
    while any(thread.is_alive() for thread in threads):
        alice.post(f"/v1/chats/{chat['id']}/interrupt")
    assert ended == ["turn_end"] * 19
