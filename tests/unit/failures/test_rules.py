from dataclasses import dataclass
from itertools import combinations
from typing import Final

import pytest

from shared.failures.kinds import ErrorKind, Failure, ProviderError
from workers.failures.classify import classify


@dataclass(frozen=True, slots=True)
class Row:
    number: int
    text: str
    kind: ErrorKind
    retryable: bool
    chain_broken: bool = False


# One text per row of the precedence; two texts together must give the upper row.
ROWS: Final = (
    Row(1, "chat interrupted", ErrorKind.GENERIC, False),
    Row(2, "no tool output found for function call", ErrorKind.GENERIC, False),
    Row(2, "was provided without its required 'reasoning' item", ErrorKind.GENERIC, False),
    Row(3, "anthropic stream closed before message_stop", ErrorKind.TIMEOUT, True),
    Row(3, "openai responses stream closed before terminal event", ErrorKind.TIMEOUT, True),
    Row(4, "previous response with id 'resp_1' not found", ErrorKind.GENERIC, True, True),
    Row(5, "overloaded", ErrorKind.OVERLOADED, True),
    Row(6, "insufficient_quota", ErrorKind.USAGE_LIMIT, False),
    Row(7, "unauthorized", ErrorKind.AUTH, False),
    Row(8, "forbidden", ErrorKind.AUTH, False),
    Row(9, "too many requests", ErrorKind.RATE_LIMIT, True),
    Row(10, "provider_disabled", ErrorKind.PROVIDER_DISABLED, False),
    Row(11, "context deadline exceeded", ErrorKind.TIMEOUT, False),
    Row(11, "broken pipe", ErrorKind.TIMEOUT, True),
    Row(12, "invalid model", ErrorKind.CONFIG, False),
    Row(13, "server error", ErrorKind.GENERIC, True),
    Row(15, "boom", ErrorKind.GENERIC, False),
)
# "Not a config text" in rows 8, 9 and 11: here the lower row wins.
BEATEN_BY_CONFIG: Final = frozenset({8, 9, 11})

TEXTS: Final[dict[ErrorKind, tuple[str, ...]]] = {
    ErrorKind.OVERLOADED: ("overloaded", "overloaded_error", "Overloaded"),
    ErrorKind.USAGE_LIMIT: ("insufficient_quota", "quota", "billing", "payment required"),
    ErrorKind.AUTH: (
        "authentication",
        "unauthorized",
        "invalid api key",
        "invalid_api_key",
        "forbidden",
    ),
    ErrorKind.RATE_LIMIT: (
        "rate limit",
        "rate_limit",
        "rate limited",
        "rate-limited",
        "too many requests",
    ),
    ErrorKind.PROVIDER_DISABLED: ("provider_disabled",),
    ErrorKind.TIMEOUT: (
        "timeout",
        "timed out",
        "service unavailable",
        "unavailable",
        "connection reset",
        "connection refused",
        "eof",
        "broken pipe",
        "bad gateway",
        "gateway timeout",
        "client conn",
        "goaway",
        "http2: stream closed",
        "use of closed network connection",
        "internal_error; received from peer",
        "refused_stream; received from peer",
        "cancel; received from peer",
        "enhance_your_calm; received from peer",
        "no_error; received from peer",
        "context deadline exceeded",
    ),
    ErrorKind.CONFIG: (
        "invalid model",
        "model not found",
        "model_not_found",
        "unsupported model",
        "context length exceeded",
        "context_exceeded",
        "maximum context length",
        "malformed config",
        "malformed configuration",
    ),
    ErrorKind.GENERIC: (
        "server error",
        "internal server error",
        "chat interrupted",
        "request interrupted",
        "operation interrupted",
        "internal_error",
        "cancel",
        "protocol_error; received from peer",
        "interrupted",
        "not found",
        "previous response with id",
    ),
}
RETRIED: Final = frozenset({ErrorKind.OVERLOADED, ErrorKind.RATE_LIMIT, ErrorKind.TIMEOUT})
RETRIED_GENERIC: Final = frozenset({"server error", "internal server error"})


def _is(failure: Failure, row: Row) -> None:
    assert (failure.kind, failure.retryable, failure.chain_broken) == (
        row.kind,
        row.retryable,
        row.chain_broken,
    )


def _last(number: int) -> Row:
    """Return a row by its number; of the two of row 11 the one that is not our deadline."""
    return next(row for row in reversed(ROWS) if row.number == number)


@pytest.mark.parametrize(("upper", "lower"), [*combinations(ROWS, 2)], ids=lambda row: row.number)
@pytest.mark.parametrize("swapped", [False, True], ids=["upper first", "lower first"])
def test_upper_row_wins(upper: Row, lower: Row, swapped: bool) -> None:
    texts = (lower.text, upper.text) if swapped else (upper.text, lower.text)
    beaten = upper.number in BEATEN_BY_CONFIG and lower.number == 12
    _is(classify(RuntimeError(" / ".join(texts))), lower if beaten else upper)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.number)
def test_text_of_a_cause_counts_as_much(row: Row) -> None:
    outer = RuntimeError("stream response")
    outer.__cause__ = RuntimeError(row.text.upper())
    _is(classify(outer), row)


@pytest.mark.parametrize(
    "text", ["chat interrupted", "request interrupted", "operation interrupted"]
)
def test_interruption_says_so_whatever_it_cut_off(text: str) -> None:
    cut_off = " / ".join(row.text for row in ROWS)
    failure = classify(RuntimeError(f"{cut_off}: {text}"))
    _is(failure, ROWS[0])
    assert "was cancelled" in failure.message
    assert failure.detail == ""


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind, texts in TEXTS.items() for text in texts]
)
def test_text_names_the_kind(kind: ErrorKind, text: str) -> None:
    failure = classify(RuntimeError(f"The call said: {text.title()}."))
    assert failure.kind is kind
    retried = kind in RETRIED and text != "context deadline exceeded"
    assert failure.retryable is (retried or text in RETRIED_GENERIC)


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (401, ErrorKind.AUTH, False),
        (403, ErrorKind.AUTH, False),
        (408, ErrorKind.TIMEOUT, True),
        (429, ErrorKind.RATE_LIMIT, True),
        (500, ErrorKind.GENERIC, True),
        (502, ErrorKind.TIMEOUT, True),
        (503, ErrorKind.TIMEOUT, True),
        (504, ErrorKind.TIMEOUT, True),
        (529, ErrorKind.OVERLOADED, True),
    ],
)
def test_status_names_the_kind(status: int, kind: ErrorKind, retryable: bool) -> None:
    for error in (ProviderError(status_code=status), RuntimeError(f"got status {status}")):
        failure = classify(error)
        assert (failure.kind, failure.retryable, failure.status_code) == (kind, retryable, status)


def test_any_other_status_is_generic_and_final() -> None:
    known = {401, 403, 408, 429, 500, 502, 503, 504, 529}
    for status in set(range(100, 600)) - known:
        failure = classify(ProviderError(status_code=status))
        assert (failure.kind, failure.retryable) == (ErrorKind.GENERIC, False), status


@pytest.mark.parametrize(
    ("status", "text", "number"),
    [
        (529, "insufficient_quota", 5),
        (401, "overloaded", 5),
        (401, "billing", 6),
        (403, "quota", 6),
        (503, "payment required", 6),
        (429, "insufficient_quota", 6),
        (429, "quota", 9),
        (429, "billing", 9),
        (429, "payment required", 9),
        (401, "invalid model", 7),
        (401, "too many requests", 7),
        (429, "unauthorized", 7),
        (429, "forbidden", 8),
        (403, "too many requests", 8),
        (403, "invalid model", 12),
        (403, "server error", 8),
        (429, "model not found", 12),
        (429, "provider_disabled", 9),
        (429, "timeout", 9),
        (503, "rate limited", 9),
        (503, "provider_disabled", 10),
        (503, "unsupported model", 12),
        (408, "maximum context length", 12),
        (500, "bad gateway", 11),
        (504, "internal server error", 11),
        (500, "invalid model", 12),
        (400, "server error", 13),
        (400, "chat interrupted", 1),
        (529, "operation interrupted", 1),
        (404, "no tool output found for function call call_1", 2),
        (529, "anthropic stream closed before message_stop", 3),
        (429, "previous response with id 'x' was not found", 4),
    ],
)
def test_status_and_text_are_weighed_row_by_row(status: int, text: str, number: int) -> None:
    failure = classify(ProviderError(message=text, status_code=status))
    _is(failure, _last(number))
    assert failure.status_code == status


@pytest.mark.parametrize("field", ["type", "code"])
@pytest.mark.parametrize("row", [row for row in ROWS if 4 <= row.number <= 12], ids=str)
def test_codes_of_the_body_count_for_rows_4_to_12(field: str, row: Row) -> None:
    body = f'{{"error": {{"{field}": "{row.text.upper()}", "message": "no"}}}}'
    failure = classify(ProviderError(message="refused", body=body))
    _is(failure, row)
    assert failure.detail == "no"


@pytest.mark.parametrize("row", [row for row in ROWS if not 4 <= row.number <= 12], ids=str)
def test_codes_of_the_body_count_for_no_other_row(row: Row) -> None:
    body = f'{{"error": {{"type": "{row.text}", "code": "{row.text}"}}}}'
    _is(classify(ProviderError(message="refused", body=body)), ROWS[-1])


def test_two_codes_and_the_text_make_no_word_together() -> None:
    body = '{"error": {"type": "invalid", "code": "model"}}'
    assert classify(ProviderError(message="rate", body=body)).kind is ErrorKind.GENERIC


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("No tool output found for function call call_1.", 2),
        ("You exceeded your current quota.", 6),
        ("See your billing page.", 6),
        ("insufficient_quota", 6),
        ("Overloaded", 15),
        ("Invalid model", 15),
        ("chat interrupted", 15),
    ],
)
def test_detail_counts_for_rows_2_and_6_only(said: str, number: int) -> None:
    error = ProviderError(message="refused", body=f'{{"error": {{"message": "{said}"}}}}')
    _is(classify(error), _last(number))


def test_quota_in_the_detail_of_a_429_is_a_rate() -> None:
    error = ProviderError(status_code=429, body='{"message": "check your quota"}')
    assert classify(error).kind is ErrorKind.RATE_LIMIT


def test_words_beyond_the_cut_of_the_detail_count() -> None:
    error = ProviderError(body=f'{{"message": "{"x" * 600} billing"}}')
    assert classify(error).kind is ErrorKind.USAGE_LIMIT
