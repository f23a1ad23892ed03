"""HEAD answers as GET does, without a body; OPTIONS names the methods of a path."""

from typing import Final

import pytest

from tests.integration.api.served import Api, Client

NOBODY: Final = "0190f000-0000-7000-8000-000000000000"
PATHS: Final = ["/livez", "/readyz", "/metrics", "/version", "/openapi.json"]


@pytest.mark.parametrize("path", [*PATHS, "/v1/chats", "/v1/models", "{chat}", "{chat}/messages"])
def test_head_is_get_without_a_body(alice: Client, path: str) -> None:
    path = path.format(chat=f"/v1/chats/{alice.start()['id']}")
    got, head = alice.get(path), alice.ask("HEAD", path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    assert set(head.headers) == set(got.headers)


@pytest.mark.parametrize(
    ("path", "status"),
    [(f"/v1/chats/{NOBODY}", 404), ("/v2", 404), ("/v1/chats?limit=0", 400)],
)
def test_head_is_refused_as_get_is(alice: Client, path: str, status: int) -> None:
    reply = alice.ask("HEAD", path)
    assert (reply.status, reply.body) == (status, b"")
    assert reply.headers["content-type"] == "application/problem+json"


def test_head_wants_a_key_where_get_does(api: Api) -> None:
    assert api.client.ask("HEAD", "/v1/chats").status == 401


def test_the_head_of_a_stream_is_there_at_once_and_holds_nothing(own_api: Api) -> None:
    alice = own_api.caller("alice")
    path = f"/v1/chats/{alice.start()['id']}/stream"
    for _ in range(2):
        reply = alice.ask("HEAD", path)
        assert (reply.status, reply.body) == (200, b"")
        assert reply.headers["content-type"].startswith("text/event-stream")
    assert "stepwell_stream_subscribers 0.0" in own_api.client.get("/metrics").body.decode()


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/livez", "GET, HEAD, OPTIONS"),
        ("/openapi.json", "GET, HEAD, OPTIONS"),
        ("/v1/chats", "GET, HEAD, OPTIONS, POST"),
        (f"/v1/chats/{NOBODY}", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        (f"/v1/chats/{NOBODY}/retry", "OPTIONS, POST"),
        ("/v1/chats/by-key/a/b/messages", "OPTIONS, PUT"),
    ],
)
def test_options_names_the_methods_and_wants_no_key(api: Api, path: str, allow: str) -> None:
    reply = api.client.ask("OPTIONS", path)
    assert (reply.status, reply.body, reply.headers["allow"]) == (204, b"", allow)


def test_options_of_no_path_is_not_found(api: Api) -> None:
    reply = api.client.ask("OPTIONS", "/v2")
    assert (reply.status, reply.code) == (404, "not_found")


def test_head_is_counted_as_head(own_api: Api) -> None:
    own_api.caller("alice").ask("HEAD", "/v1/models")
    sample = 'stepwell_http_requests_total{method="HEAD",route="/v1/models",status="200"} 1.0'
    assert sample in own_api.client.get("/metrics").body.decode()
