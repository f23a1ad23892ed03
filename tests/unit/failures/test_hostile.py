"""Texts that a provider could send to make the classifier fail or hang."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.failures.kinds import ProviderError
from workers.failures.classify import classify

LONG = 500_000


@settings(deadline=None, database=None, derandomize=True)
@given(
    message=st.text(),
    body=st.text() | st.text().map(lambda text: f"HTTP/1.1 {text}") | st.binary().map(repr),
    headers=st.dictionaries(st.sampled_from(["Retry-After", "retry-after-ms"]), st.text()),
    status=st.integers(),
)
def test_nothing_makes_it_fail(
    message: str, body: str, headers: dict[str, str], status: int
) -> None:
    error = ProviderError(message=message, body=body, headers=headers, status_code=status)
    failure = classify(error)
    assert len(failure.detail) <= 500
    assert failure.retry_after >= 0
    assert failure.message
    failure.detail.encode()


@pytest.mark.parametrize(
    "text",
    [
        "status" + " " * LONG,
        "status " * (LONG // 7),
        "stream" + " " * LONG,
        "stream id" + " :=" * LONG,
        "stream id 503 " * (LONG // 14),
        ":503" * (LONG // 4),
        "x" * LONG,
        'POST "' * (LONG // 6),
        'POST "": 429 ' * (LONG // 13),
        'POST "": 429 {' * (LONG // 14),
        "HTTP/1.1 400\n" * (LONG // 13),
    ],
    ids=lambda text: text[:14],
)
def test_long_text_is_read_in_one_pass(text: str) -> None:
    # A quadratic scan of half a megabyte runs into the time limit of the tests.
    failure = classify(ProviderError(message=text, body=text[: 64 * 1024]))
    assert len(failure.detail) <= 500
