import asyncio
import json

import pytest

from shared.failures.kinds import ErrorKind, ProviderError, TransportFailed
from workers.failures.classify import classify

JSON = '{"error": {"message": "Image too large."}}'
LIMIT = 64 * 1024


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (JSON, "Image too large."),
        (f"  \n{JSON}\n", "Image too large."),
        ('{"message": "top"}', "top"),
        ('{"message": "top", "error": {"message": "inner"}}', "inner"),
        ('{"message": "top", "error": {"message": ""}}', "top"),
        ('{"message": "top", "error": {"message": "  "}}', "top"),
        ('{"message": "top", "error": {"message": 7}}', "top"),
        ('{"message": "top", "error": "text"}', "top"),
        ('{"message": "top", "error": null}', "top"),
        ('{"error": {"message": " spaced\\n out "}}', "spaced\n out"),
        ('{"error": {"type": "x"}}', "said by the client"),
        ('{"error": "text"}', "said by the client"),
        ('{"detail": "text"}', "said by the client"),
        ("[]", "said by the client"),
        ("null", "said by the client"),
        ('"text"', "said by the client"),
        ("<html>", "said by the client"),
        ("", "said by the client"),
        ("[" * 60_000, "said by the client"),
        ('{"message": ' + "9" * 5_000 + "}", "said by the client"),
        (f"HTTP/1.1 400 Bad Request\r\nA: b\r\n\r\n{JSON}", "Image too large."),
        (f"HTTP/1.1 400 Bad Request\nA: b\n\n{JSON}", "Image too large."),
        (f"HTTP/1.1 400 Bad Request\nA: b\n\r\n{JSON}", "Image too large."),
        (f"HTTP/2.0 400 Bad Request\r\n\r\n{JSON}", "Image too large."),
        (f"\nHTTP/1.1 400 Bad Request\n\n{JSON}", "Image too large."),
        (f"HTTP/1.1 400 Bad Request\nA: b\n{JSON}", "said by the client"),
        ('HTTP/1.1 400 No\n\n{"error":\n\n{"message": "gaps"}}', "gaps"),
        ('{"error":\n\n{"message": "gaps"}}', "gaps"),
        (f'POST "https://key@h/v1": 400 Bad Request {JSON}', "Image too large."),
        (f'Post "https://h/v1": 400 Bad Request {JSON}', "Image too large."),
        (f'POST "https://h/v1": 400 Bad Request (id: 1)\n{JSON}', "Image too large."),
        (f'call failed: POST "https://h/v1": 400 Bad Request {JSON}', "Image too large."),
        ('POST "https://h/v1": 429 Too Many Requests {"message": "slow"}', "slow"),
        (f'HTTP/1.1 400 No\r\n\r\nPOST "https://h": 400 No {JSON}', "Image too large."),
        (json.dumps({"message": f'POST "https://h": 400 No {JSON}'}), "Image too large."),
        ('POST "https://h/v1": 400 Bad Request not json', "said by the client"),
        ('POST "https://h/v1": 400 Bad Request {broken', "said by the client"),
    ],
)
def test_detail_of_a_body(body: str, detail: str) -> None:
    error = ProviderError(message="  said by the client \n", body=body, status_code=400)
    assert classify(error).detail == detail


@pytest.mark.parametrize("over", [0, 1])
@pytest.mark.parametrize("head", ["", "HTTP/1.1 400 No\r\n\r\n"], ids=["plain", "dumped"])
@pytest.mark.parametrize("filler", ["x", "é"])
def test_body_over_64_kib_is_ignored(over: int, head: str, filler: str) -> None:
    start, end = '{"error": {"code": "overloaded", "message": "big"}, "x": "', '"}'
    room = LIMIT - len(start + end)
    text = filler * (room // len(filler.encode()))
    padding = " " * (room - len(text.encode()) + over)
    error = ProviderError(message="small", body=head + start + text + end + padding)
    failure = classify(error)
    assert failure.detail == ("small" if over else "big")
    assert failure.kind is (ErrorKind.GENERIC if over else ErrorKind.OVERLOADED)


def test_code_behind_a_failed_call_counts() -> None:
    inner = '{"error": {"message": "no", "code": "insufficient_quota"}}'
    for body in (
        f'POST "https://h": 429 Too Many Requests {inner}',
        json.dumps({"error": {"message": f'POST "https://h": 429 Too Many Requests {inner}'}}),
    ):
        failure = classify(ProviderError(status_code=429, body=body))
        assert (failure.kind, failure.detail) == (ErrorKind.USAGE_LIMIT, "no")


def test_message_of_a_failed_call_shows_its_words_and_no_url() -> None:
    message = f'POST "https://key@h/v1?token=x": 400 Bad Request {JSON}'
    assert classify(ProviderError(message=message)).detail == "Image too large."


def test_code_never_becomes_detail() -> None:
    failure = classify(ProviderError(body='{"error": {"type": "overloaded_error", "code": "x"}}'))
    assert (failure.kind, failure.detail) == (ErrorKind.OVERLOADED, "")


@pytest.mark.parametrize(
    ("length", "tail"), [(499, "x"), (500, "x"), (501, "…"), (502, "…"), (9_000, "…")]
)
@pytest.mark.parametrize("place", ["body", "message", "text"])
def test_detail_is_cut_at_500_characters(length: int, tail: str, place: str) -> None:
    long = "x" * length
    error = {
        "body": ProviderError(body=json.dumps({"message": long})),
        "message": ProviderError(message=long),
        "text": RuntimeError(long),
    }[place]
    detail = classify(error).detail
    kept = min(length, 500)
    assert detail == "x" * (kept - 1) + tail


def test_characters_are_counted_and_not_bytes() -> None:
    assert classify(RuntimeError("é" * 500)).detail == "é" * 500


def test_what_a_database_cannot_store_is_replaced() -> None:
    failure = classify(ProviderError(body='{"message": "a\\u0000b\\ud800c\\ud83d\\ude00"}'))
    assert failure.detail == "a\ufffdb\ufffdc😀"


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("boom", "boom"),
        ("  two \n\t words\r\n ", "two words"),
        ("status 503 from upstream", "status 503 from upstream"),
        ("overloaded", "overloaded"),
        ("rate limited", "rate limited"),
        ("billing", "billing"),
        ("invalid model", "invalid model"),
        ("context deadline exceeded", "context deadline exceeded"),
        ("see https://h/?token=x: broken pipe", ""),
        ("redis://:key@h is down", ""),
        ("unauthorized", ""),
        ("forbidden", ""),
        ("chat interrupted", ""),
        ("anthropic stream closed before message_stop", ""),
        ("openai responses stream closed before terminal event", ""),
        ("previous response with id 'resp_1' not found", ""),
    ],
)
def test_detail_of_a_raw_text(text: str, detail: str) -> None:
    assert classify(RuntimeError(text)).detail == detail


@pytest.mark.parametrize(
    "text",
    [
        "unauthorized",
        "forbidden",
        "chat interrupted",
        "anthropic stream closed before message_stop",
        "previous response with id 'resp_1' not found",
        "see https://h",
    ],
)
def test_words_of_the_provider_are_shown_where_a_raw_text_is_not(text: str) -> None:
    error = ProviderError(message=text, body=JSON)
    assert classify(error).detail == "Image too large."
    assert classify(ProviderError(message=text)).detail == text


def test_url_in_a_cause_drops_the_whole_text() -> None:
    error = RuntimeError("boom")
    error.__cause__ = ValueError("https://key@h")
    assert classify(error).detail == ""


def test_cancellation_has_no_detail() -> None:
    assert classify(asyncio.CancelledError("why")).detail == ""


def test_text_around_a_failed_transport_is_no_detail() -> None:
    error = RuntimeError("stream response")
    error.__cause__ = TransportFailed(phase="body")
    assert classify(error).detail == ""


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (
            "No tool output found for function call call_secret.",
            "match=function_call_output_missing",
        ),
        (
            "Item 'ws_secret' of type 'web_search_call' was provided without its required "
            "'reasoning' item: 'rs_secret'.",
            "match=web_search_reasoning_missing",
        ),
    ],
)
@pytest.mark.parametrize("place", ["text", "message", "body", "cause"])
def test_continuation_mismatch_has_a_fixed_detail(text: str, match: str, place: str) -> None:
    outer = RuntimeError("failed")
    outer.__cause__ = RuntimeError(text)
    error = {
        "text": RuntimeError(text),
        "message": ProviderError(message=text, status_code=400),
        "body": ProviderError(body=json.dumps({"error": {"message": text}}), status_code=400),
        "cause": outer,
    }[place]
    failure = classify(error)
    assert (failure.kind, failure.retryable) == (ErrorKind.GENERIC, False)
    assert failure.detail.endswith(match)
    assert "secret" not in failure.detail + failure.message
    assert "not a setting" in failure.message
