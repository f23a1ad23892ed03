"""Whatever comes as a body is taken or refused; it never breaks the server."""

import gzip
import json
import socket

import pytest

from tests.integration.api.served import Api, Client, Reply

SMALL = 256 * 1024
LARGE = 20 * 1024 * 1024


def _post(client: Client, raw: bytes, **headers: str) -> Reply:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.ask("POST", "/v1/chats", raw=raw, headers=sent)


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (b"{", ""),
        (b"", ""),
        (b"null", ""),
        (b"[]", ""),
        (b'"content"', ""),
        (b'{"content":"a"}{"content":"b"}', ""),
        (b'{"content":"\xff\xfe"}', ""),
        (b'{"content":"a\\ud800b"}', "content"),
        (b'{"content":"a\\u0000b"}', "content"),
        (b'{"content":"a","metadata":{"x":"\\u0000"}}', "metadata.x"),
        (b'{"content":"a","metadata":{"\\u0000":1}}', "metadata.'\\x00'"),
        (b'{"content":"a","metadata":{"\\ud800":1}}', "metadata.'\\ud800'"),
        (b'{"content":"a","metadata":{"n":' + b"9" * 25 + b"}}", "metadata.n"),
        (b'{"content":"a","metadata":{"n":' + b"9" * 5000 + b"}}", ""),
        (b'{"content":"a","metadata":{"n":1e400}}', ""),
        (b'{"content":"a","metadata":{"n":NaN}}', ""),
        (b'{"content":"a","metadata":{"n":-Infinity}}', ""),
        (b'{"content":"a","metadata":' + b'{"a":' * 120 + b"1" + b"}" * 120 + b"}", ""),
        (b"[" * 100_000, ""),
        (b'{"a":' * 30_000, ""),
        (b'{"content":"a","content":"b"}', ""),
        (b'{"content":"a","metadata":{"x":1,"x":2}}', ""),
        (b"\xef\xbb\xbf" + b'{"content":"a"}', ""),
    ],
)
def test_json_that_could_not_be_given_back_is_refused(
    alice: Client, raw: bytes, named: str
) -> None:
    reply = _post(alice, raw)
    assert (reply.status, reply.code) == (400, "invalid_request")
    assert reply.json["errors"][0]["field"] == named
    assert alice.get("/v1/chats").json["items"] == []


def test_what_json_can_say_comes_back_as_it_was(alice: Client) -> None:
    metadata = {
        "large": 2**64 - 1,
        "small": -(2**63),
        "float": 0.1,
        "text": 'ü😀\\u0000 \u2028 "',
        "deep": json.loads("[" * 90 + "]" * 90),
        "": {"empty key": None},
    }
    chat = alice.start("a\\u0000 😀", metadata=metadata)
    assert alice.get(f"/v1/chats/{chat['id']}").json["metadata"] == metadata


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin-1",
        "",
    ],
)
def test_a_body_that_is_not_json_is_refused(alice: Client, kind: str) -> None:
    reply = _post(alice, b'{"content":"a"}', Content_Type=kind)
    assert (reply.status, reply.code) == (415, "unsupported_media_type")


def test_a_body_that_is_packed_is_refused(alice: Client) -> None:
    packed = gzip.compress(b'{"content":"a"}')
    reply = _post(alice, packed, Content_Type="application/json", Content_Encoding="gzip")
    assert (reply.status, reply.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=UTF-8", "application/problem+json"]
)
def test_json_under_its_names_is_taken(alice: Client, kind: str) -> None:
    assert _post(alice, b'{"content":"a"}', Content_Type=kind).status == 201


def test_content_may_have_twenty_mebibytes(alice: Client) -> None:
    frame = len(b'{"content":""}')
    largest = b'{"content":"' + b"a" * (LARGE - frame) + b'"}'
    reply = _post(alice, largest)
    if reply.status == 503:  # it takes seconds on a busy machine, and a client comes again
        reply = _post(alice, largest)
    assert reply.status == 201
    reply = _post(alice, b'{"content":"' + b"a" * (LARGE - frame + 1) + b'"}')
    assert (reply.status, reply.code) == (413, "too_large")


def test_other_routes_take_less(alice: Client) -> None:
    path = f"/v1/chats/{alice.start()['id']}/interrupt"
    raw = b'{"clear_queue":true}'.ljust(SMALL)
    assert alice.ask("POST", path, raw=raw).status == 202
    reply = alice.ask("POST", path, raw=raw + b" ")
    assert (reply.status, reply.code) == (413, "too_large")


def test_a_body_announced_as_too_large_is_refused_before_it_comes(api: Api) -> None:
    head = f"POST /v1/chats HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key('eve')}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {LARGE + 1}\r\n\r\n"
    assert _first_line(api, head.encode()) == b"HTTP/1.1 413 Request Entity Too Large"


def test_a_body_of_unknown_length_is_refused_when_it_gets_too_large(api: Api) -> None:
    head = f"POST /v1/chats/{'0' * 36}/interrupt HTTP/1.1\r\nHost: x\r\n"
    head += f"Authorization: Bearer {api.key('eve')}\r\n"
    head += "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    # The end of the body never comes.
    assert _first_line(api, head.encode() + piece * 5) == b"HTTP/1.1 413 Request Entity Too Large"


def test_a_body_without_a_key_is_not_even_read(api: Api) -> None:
    head = b"POST /v1/chats HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    head += b"Content-Length: 100\r\n\r\n"
    assert _first_line(api, head) == b"HTTP/1.1 401 Unauthorized"


def test_a_client_that_leaves_in_the_middle_of_a_body_harms_nobody(api: Api, alice: Client) -> None:
    head = f"POST /v1/chats HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {alice.key}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    with socket.create_connection((api.client.host, api.client.port)) as connection:
        connection.sendall(head.encode())
    assert alice.get("/v1/chats").json["items"] == []


def _first_line(api: Api, request: bytes) -> bytes:
    with socket.create_connection((api.client.host, api.client.port), timeout=10) as connection:
        connection.sendall(request)
        return connection.makefile("rb").readline().strip()
