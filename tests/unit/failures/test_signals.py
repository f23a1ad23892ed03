from itertools import combinations

import pytest

from shared.failures.kinds import ErrorKind, ProviderError, StreamTruncated, TransportFailed
from workers.failures.classify import classify


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("status 429", 429),
        ("Status: 429", 429),
        ("STATUS=429", 429),
        ("status429", 429),
        ("status code 404", 404),
        ("status code: 418", 418),
        ("status \t code \n = \n 410", 410),
        ("HTTP 507", 507),
        ("http:503", 503),
        ("http=503", 503),
        ("StatusCode 429", 429),
        ("statuscode 418", 0),
        ("status 418, then 503", 418),
        ("503, then status 418", 418),
        ("status 12", 0),
        ("status :: 418", 0),
        ("HTTP/1.1 418 no", 0),
        ("HTTP/1.1 503 Service Unavailable", 503),
        ("401 403", 401),
        ("404 and 403", 403),
        ("400 404 418", 0),
        ("(408)", 408),
        ("got 529.", 529),
        ("1503 5031 x503 503x 503_", 0),
        ("proxy:502", 0),
        ("proxy:502 said 504", 504),
        ("proxy: 502", 502),
        ("[::1]:500 500", 500),
        ("stream id 503", 0),
        ("Stream ID: 503", 0),
        ("stream id = : 503", 0),
        ("stream   id\t503", 0),
        ("stream id 503 and 504", 504),
        ("stream id :503", 0),
        ("stream id 7 503", 503),
        ("stream 503", 503),
        ("id 503", 503),
        ("stream error: stream ID 429; goaway; 401", 401),
        ("unauthorized, forbidden, overloaded, bad gateway", 0),
    ],
)
def test_status_of_a_text(text: str, status: int) -> None:
    assert classify(RuntimeError(text)).status_code == status


def test_structured_status_wins_over_the_text() -> None:
    error = RuntimeError("status 401")
    error.__cause__ = ProviderError(message="503", status_code=418)
    assert classify(error).status_code == 418


def test_structured_status_of_zero_leaves_it_to_the_text() -> None:
    assert classify(ProviderError(message="Error code: 429")).status_code == 429


def test_status_of_an_inner_provider_error_counts() -> None:
    outer = ProviderError(message="gave up")
    outer.__cause__ = ProviderError(message="busy", status_code=429, headers={"Retry-After": "7"})
    failure = classify(outer)
    assert (failure.status_code, failure.retry_after) == (429, 7.0)


NAMES = (
    ("openai-compat", "openai-compat"),
    ("openai compatible", "openai-compat"),
    ("azure openai", "azure"),
    ("azure-openai", "azure"),
    ("openrouter", "openrouter"),
    ("bedrock", "bedrock"),
    ("vercel", "vercel"),
    ("anthropic", "anthropic"),
    ("claude", "anthropic"),
    ("google", "google"),
    ("gemini", "google"),
    ("vertex", "google"),
    ("openai", "openai"),
)


@pytest.mark.parametrize(("name", "provider"), [*NAMES, ("azure", ""), ("mistral", "")])
def test_provider_is_guessed_from_the_text(name: str, provider: str) -> None:
    assert classify(RuntimeError(f"call to {name.title()}-x failed")).provider == provider


@pytest.mark.parametrize(("first", "second"), [*combinations(NAMES, 2)], ids=str)
def test_provider_guess_follows_the_order(first: tuple[str, str], second: tuple[str, str]) -> None:
    assert classify(RuntimeError(f"{second[0]} / {first[0]}")).provider == first[1]


@pytest.mark.parametrize(
    ("hint", "provider"),
    [
        ("azure openai", "azure"),
        ("Azure-OpenAI", "azure"),
        (" azure ", "azure"),
        ("OpenAI Compat", "openai-compat"),
        ("openai compatible", "openai-compat"),
        ("openai_compat", "openai-compat"),
        ("openai-compat", "openai-compat"),
        ("\tMy vLLM\n", "my vllm"),
        ("", "anthropic"),
        ("  ", "anthropic"),
    ],
)
def test_hint_is_normalised_and_replaces_the_guess(hint: str, provider: str) -> None:
    assert classify(RuntimeError("anthropic overloaded"), provider=hint).provider == provider


@pytest.mark.parametrize(
    "error",
    [
        ProviderError(message="anthropic overloaded", provider=" Azure OpenAI "),
        TransportFailed(provider="azure"),
        StreamTruncated(provider="azure", dialect="anthropic"),
    ],
    ids=repr,
)
def test_provider_of_the_adapter_wins_over_the_guess_only(error: Exception) -> None:
    assert classify(error).provider == "azure"
    assert classify(error, provider="vercel").provider == "vercel"


def test_message_is_written_for_the_hint() -> None:
    failure = classify(RuntimeError("anthropic overloaded"), provider="bedrock")
    assert failure.message.startswith("AWS Bedrock ")


@pytest.mark.parametrize(
    ("text", "hint", "provider"),
    [
        ("previous response with id x not found", "", "openai"),
        ("azure openai: previous response with id x not found", "", "azure"),
        ("previous response with id x not found", "vercel", "vercel"),
        ("anthropic stream closed before message_stop", "", "anthropic"),
        ("anthropic stream closed before message_stop", "bedrock", "bedrock"),
        ("openai responses stream closed before terminal event", "", "openai"),
        ("openai responses stream closed before terminal event", "azure-openai", "azure"),
    ],
)
def test_row_names_the_provider_when_nobody_else_does(text: str, hint: str, provider: str) -> None:
    assert classify(RuntimeError(text), provider=hint).provider == provider


def test_body_is_no_place_to_guess_a_provider_from() -> None:
    error = ProviderError(body='{"error": {"message": "anthropic", "type": "openai"}}')
    failure = classify(error)
    assert (failure.provider, failure.kind) == ("", ErrorKind.GENERIC)
