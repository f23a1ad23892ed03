import dataclasses

import pytest

from shared.failures.kinds import (
    ErrorKind,
    Failure,
    ProviderError,
    StreamTruncated,
    TransportFailed,
)


def test_wire_names_are_the_lower_cased_members() -> None:
    assert [kind.value for kind in ErrorKind] == [kind.name.lower() for kind in ErrorKind]


def test_failure_is_frozen() -> None:
    failure = Failure(kind=ErrorKind.GENERIC, retryable=False)
    with pytest.raises(dataclasses.FrozenInstanceError):
        failure.retryable = True  # pyright: ignore[reportAttributeAccessIssue]  # the point


def test_provider_error_shows_its_message_and_nothing_secret() -> None:
    headers = {"authorization": "secret-header"}
    error = ProviderError(message="no", headers=headers, body="secret-body")
    assert str(error) == "no"
    assert "secret" not in repr(error)


def test_provider_error_keeps_headers_of_its_own() -> None:
    headers = {"a": "b"}
    error = ProviderError(headers=headers)
    headers.clear()
    assert error.headers == {"a": "b"}


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("anthropic", "anthropic stream closed before message_stop"),
        ("openai-responses", "openai responses stream closed before terminal event"),
    ],
)
def test_truncated_stream_says_which_one(dialect: str, text: str) -> None:
    assert str(StreamTruncated(dialect=dialect)) == text


def test_failed_transport_keeps_where_it_happened() -> None:
    error = TransportFailed(provider="openai", phase="headers")
    assert (error.provider, error.phase) == ("openai", "headers")
