import asyncio

import pytest

from shared.failures.kinds import (
    ErrorKind,
    Failure,
    Preclassified,
    ProviderError,
    StreamTruncated,
    TransportFailed,
)
from workers.failures.classify import classify


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError("took too long"),
        TimeoutError(),
        RuntimeError("provider: context deadline exceeded"),
        RuntimeError("status 503: context deadline exceeded"),
    ],
    ids=repr,
)
def test_exceeded_deadline_is_final(error: Exception) -> None:
    failure = classify(error)
    assert (failure.kind, failure.retryable) == (ErrorKind.TIMEOUT, False)


def test_deadline_raised_from_a_cancellation_is_final() -> None:
    error = TimeoutError()
    error.__cause__ = asyncio.CancelledError()
    failure = classify(error)
    assert (failure.kind, failure.retryable) == (ErrorKind.TIMEOUT, False)


@pytest.mark.parametrize(
    ("text", "kind", "retryable"),
    [
        ("", ErrorKind.GENERIC, False),
        ("[Errno 110] Connection timed out", ErrorKind.TIMEOUT, True),
    ],
)
def test_timeout_below_another_error_counts_by_its_text(
    text: str, kind: ErrorKind, retryable: bool
) -> None:
    error = RuntimeError("stream response")
    error.__cause__ = TimeoutError(text)
    failure = classify(error)
    assert (failure.kind, failure.retryable) == (kind, retryable)


def test_deadline_of_a_config_text_is_config() -> None:
    assert classify(TimeoutError("model not found")).kind is ErrorKind.CONFIG


@pytest.mark.parametrize("phase", ["connect", "headers", "body"])
def test_failed_transport_is_retried_without_detail(phase: str) -> None:
    failure = classify(TransportFailed(provider="openai", phase=phase))  # pyright: ignore[reportArgumentType]  # parametrize knows no literals
    assert failure == Failure(
        kind=ErrorKind.TIMEOUT, retryable=True, provider="openai", message=failure.message
    )


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("status 401", ErrorKind.AUTH),
        ("invalid model", ErrorKind.CONFIG),
        ("internal server error", ErrorKind.TIMEOUT),
        ("context deadline exceeded", ErrorKind.TIMEOUT),
    ],
)
def test_failed_transport_stands_in_row_11(text: str, kind: ErrorKind) -> None:
    error = RuntimeError(text)
    error.__cause__ = TransportFailed()
    failure = classify(error)
    assert failure.kind is kind
    assert failure.retryable is (text == "internal server error")


@pytest.mark.parametrize(
    ("dialect", "provider"),
    [
        ("anthropic", "anthropic"),
        ("openai-responses", "openai"),
        ("openai-chat", ""),
        ("scripted", ""),
        ("", ""),
    ],
)
def test_truncated_stream_is_retried_without_detail(dialect: str, provider: str) -> None:
    failure = classify(StreamTruncated(dialect=dialect))
    assert failure == Failure(
        kind=ErrorKind.TIMEOUT, retryable=True, provider=provider, message=failure.message
    )
    assert "ended before it was complete" in failure.message


def test_truncated_stream_beats_every_text_below_row_3() -> None:
    error = RuntimeError("status 401: previous response with id x not found, invalid model")
    error.__cause__ = StreamTruncated(provider="vllm", dialect="openai-chat")
    failure = classify(error)
    assert (failure.kind, failure.retryable, failure.provider) == (ErrorKind.TIMEOUT, True, "vllm")
    assert failure.detail == ""


def test_cancellation_is_the_last_thing_looked_at() -> None:
    for text, kind, retryable in (
        ("boom", ErrorKind.GENERIC, False),
        ("status 500", ErrorKind.GENERIC, True),
        ("status 503", ErrorKind.TIMEOUT, True),
        ("invalid model", ErrorKind.CONFIG, False),
    ):
        error = RuntimeError(text)
        error.__cause__ = asyncio.CancelledError("stop")
        failure = classify(error)
        assert (failure.kind, failure.retryable) == (kind, retryable)
        assert (failure.detail == "") is (text == "boom")


def test_preclassified_failure_wins_over_everything() -> None:
    given = Failure(
        kind=ErrorKind.STARTUP_TIMEOUT,
        retryable=True,
        provider="openai",
        status_code=404,
        retry_after=2.0,
        message="ours",
        detail="theirs",
        chain_broken=True,
    )
    error = RuntimeError("chat interrupted: status 401: anthropic overloaded")
    error.__cause__ = ProviderError(status_code=529, headers={"retry-after": "9"})
    error.__cause__.__cause__ = Preclassified(given)
    assert classify(error, provider="anthropic") == given


def test_preclassified_failure_without_words_gets_them() -> None:
    given = Failure(kind=ErrorKind.MISSING_KEY, retryable=False)
    failure = classify(Preclassified(given), provider=" OpenAI ")
    assert (failure.kind, failure.retryable, failure.provider) == (given.kind, False, "openai")
    assert "OpenAI" in failure.message


def test_outermost_preclassified_failure_wins() -> None:
    outer = Preclassified(Failure(kind=ErrorKind.TIMEOUT, retryable=True))
    outer.__cause__ = Preclassified(Failure(kind=ErrorKind.AUTH, retryable=False))
    assert classify(outer).kind is ErrorKind.TIMEOUT
