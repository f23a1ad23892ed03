"""Requests that nobody means well, sent to a real API process: a problem each, never a 500."""

import socket
from typing import Any, Final
from uuid import UUID

import pytest

from tests.journeys.fleet import Answer, Fleet
from tests.journeys.scripts import say, script

LIMIT: Final = 20 * 1024 * 1024
NOBODY: Final = UUID(int=7 << 76)

BODIES: Final[dict[str, bytes]] = {
    "nothing": b"",
    "blanks": b"  ",
    "null": b"null",
    "a list": b"[]",
    "a number": b"1",
    "not whole": b'{"content":"a"',
    "more behind it": b'{"content":"a"} x',
    "NaN": b'{"content":"a","metadata":{"x":NaN}}',
    "Infinity": b'{"content":"a","metadata":{"x":-Infinity}}',
    "beyond 64 bits": b'{"content":"a","metadata":{"x":18446744073709551616}}',
    "thousands of digits": b'{"content":"a","metadata":{"x":' + b"9" * 6000 + b"}}",
    "beyond a float": b'{"content":"a","metadata":{"x":1e400}}',
    "the same key twice": b'{"content":"a","content":"b"}',
    "deep objects": b'{"content":"a","metadata":' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
    "deep lists": b"[" * 100_000,
    "NUL": b'{"content":"a\\u0000"}',
    "NUL in a name": b'{"content":"a","\\u0000":1}',
    "half a pair": b'{"content":"\\ud800"}',
    "half a pair in a name": b'{"content":"a","metadata":{"\\udc00":1}}',
    "a byte order mark": b'\xef\xbb\xbf{"content":"a"}',
    "UTF-16": '{"content":"a"}'.encode("utf-16"),
    "Latin-1": b'{"content":"\xff"}',
    "an unknown field": b'{"content":"a","contents":"b"}',
    "a wrong type": b'{"content":"a","labels":{"a":1}}',
}

TARGETS: Final = [
    ("GET", "/v1/chats?limit=0", "invalid_request"),
    ("GET", "/v1/chats?limit=99999999999999999999999", "invalid_request"),
    ("GET", "/v1/chats?cursor={cursor}", "invalid_request"),
    ("GET", "/v1/chats?cursor=%F0%9F%98%80", "invalid_request"),
    ("GET", "/v1/chats?key=%FF", "invalid_request"),
    ("GET", "/v1/chats?key=%00", "invalid_request"),
    ("GET", "/v1/chats?limits=1", "invalid_request"),
    ("GET", "/v1/chats/%FF", "not_found"),
    ("GET", "/v1/chats/%zz", "not_found"),
    ("GET", f"/v1/chats/{NOBODY}", "not_found"),
    ("GET", "{chat}/messages?before_id=9223372036854775808", "invalid_request"),
    ("GET", "{chat}/messages?after_id=" + "9" * 5000, "invalid_request"),
    ("GET", "{chat}/messages?limit=-1", "invalid_request"),
    ("GET", f"{{chat}}/turns/{NOBODY}", "not_found"),
    ("GET", "{chat}/turns/1?wait=nan", "not_found"),
    ("GET", "{chat}/stream?after=99999999999999999999-1-1-1-1", "invalid_request"),
    ("GET", "{chat}/stream?until=turn:x", "invalid_request"),
    ("GET", f"{{chat}}/stream?until=turn:{NOBODY}", "not_found"),
    ("PATCH", "{chat}/messages/9223372036854775808", "not_found"),
    ("PATCH", "{chat}/messages/1.0", "not_found"),
    ("DELETE", "{chat}/queue/-1", "not_found"),
    ("POST", "{chat}/queue/9223372036854775808/promote", "not_found"),
    ("PUT", "/v1/chats/by-key/%ED%A0%80/messages", "not_found"),
    ("PUT", "/v1/chats/by-key//messages", "invalid_request"),
    ("PROPFIND", "/v1/chats", "method_not_allowed"),
    ("TRACE", "{chat}", "method_not_allowed"),
    ("GET", "//v1/chats", "not_found"),
]

WIRE: Final[dict[str, tuple[bytes, int]]] = {
    "chunks": (b"Transfer-Encoding: chunked\r\n\r\nf\r\n%b\r\n0\r\n\r\n", 202),
    "chunks of no size": (b"Transfer-Encoding: chunked\r\n\r\nzz\r\n%b", 400),
    "a length and chunks": (b"Content-Length: 15\r\nTransfer-Encoding: chunked\r\n\r\n%b", 400),
    "two lengths": (b"Content-Length: 15\r\nContent-Length: 16\r\n\r\n%b", 400),
    "a negative length": (b"Content-Length: -1\r\n\r\n%b", 400),
    "a huge length": (b"Content-Length: 99999999999999999999999\r\n\r\n%b", 400),
    "too large a length": (b"Content-Length: %d\r\n\r\n" % (LIMIT + 1), 413),
    "another coding": (b"Content-Encoding: gzip\r\nContent-Length: 15\r\n\r\n%b", 415),
    "two keys": (
        b"Idempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Length: 15\r\n\r\n%b",
        400,
    ),
    "a key of 1 000": (
        b"Idempotency-Key: " + b"x" * 1000 + b"\r\nContent-Length: 15\r\n\r\n%b",
        400,
    ),
}


@pytest.fixture(scope="module")
def chat(fleet: Fleet) -> dict[str, Any]:
    chat = fleet.new_chat(script(say("hello")))
    fleet.turn(chat["id"], chat["turn_id"])
    return fleet.ask("GET", f"/v1/chats/{chat['id']}")


def _check_problem(answer: Answer, code: str) -> None:
    assert answer.headers["content-type"] == "application/problem+json", answer
    assert answer.body["code"] == code, answer
    assert answer.body["status"] == answer.status < 500


@pytest.mark.parametrize("case", BODIES)
def test_a_body_that_can_t_be_kept_is_refused(
    fleet: Fleet, chat: dict[str, Any], case: str
) -> None:
    for path in ("/v1/chats", f"/v1/chats/{chat['id']}/messages"):
        _check_problem(fleet.call("POST", path, BODIES[case]), "invalid_request")


@pytest.mark.parametrize(("method", "target", "code"), TARGETS)
def test_an_address_that_names_nothing_is_refused(
    fleet: Fleet, chat: dict[str, Any], method: str, target: str, code: str
) -> None:
    path = target.format(chat=f"/v1/chats/{chat['id']}", cursor=chat["cursor"])
    body = {"content": "a"} if method in ("PATCH", "PUT") else None
    _check_problem(fleet.call(method, path, body), code)


@pytest.mark.parametrize("case", WIRE)
def test_a_request_is_taken_as_it_stands_on_the_wire(
    fleet: Fleet, chat: dict[str, Any], case: str
) -> None:
    rest, status = WIRE[case]
    head = (
        f"POST /v1/chats/{chat['id']}/messages HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Authorization: Bearer {fleet.key}\r\nContent-Type: application/json\r\n"
    )
    sent = head.encode() + rest.replace(b"%b", b'{"content":"a"}')
    assert _answer(fleet, sent).startswith(b"HTTP/1.1 %d " % status)


def test_what_comes_in_chunks_is_refused_before_it_is_whole(fleet: Fleet) -> None:
    head = (
        "POST /v1/chats HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        f"Authorization: Bearer {fleet.key}\r\nContent-Type: application/json\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", fleet.apis[0].port), timeout=20) as connection:
        connection.sendall(head.encode())
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        for _ in range(LIMIT // 0x10000 + 1):
            connection.sendall(chunk)
        # The last chunk has not come, and never will.
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def _answer(fleet: Fleet, sent: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", fleet.apis[0].port), timeout=20) as connection:
        connection.sendall(sent)
        return connection.recv(100)
