import pytest

from shared.failures import wording
from shared.failures.kinds import ErrorKind, Failure, StreamTruncated
from shared.failures.wording import Nuance, Topic
from workers.failures.classify import classify

# What each says, as a person reads it: the fact of both voices, the advice of the terminal one.
WORDS: dict[Topic, tuple[str, str]] = {
    ErrorKind.OVERLOADED: ("OpenAI is temporarily overloaded.", "another model"),
    ErrorKind.RATE_LIMIT: ("OpenAI is limiting requests.", "a higher limit"),
    ErrorKind.TIMEOUT: ("OpenAI is temporarily unavailable.", "status page"),
    ErrorKind.STARTUP_TIMEOUT: ("OpenAI did not begin to answer in time.", "another model"),
    ErrorKind.USAGE_LIMIT: (
        "OpenAI reports that the account's quota is used up.",
        "billing and quota",
    ),
    ErrorKind.AUTH: (
        "OpenAI refused the request because authentication failed.",
        "the API key and its permissions",
    ),
    ErrorKind.CONFIG: ("OpenAI rejected the model or its settings.", "its settings"),
    ErrorKind.MISSING_KEY: ("No API key is configured for OpenAI.", "Ask the operator"),
    ErrorKind.PROVIDER_DISABLED: ("OpenAI is switched off.", "Ask the operator"),
    ErrorKind.GENERIC: ("OpenAI returned an unexpected error.", "operator"),
    Nuance.REQUEST_TIMED_OUT: ("The request to OpenAI timed out.", "time limit"),
    Nuance.TRUNCATED: ("The answer of OpenAI ended before it was complete.", "Continue"),
    Nuance.CANCELLED: ("The request to OpenAI was cancelled.", "Send a message"),
    Nuance.CONTINUATION_MISMATCH: (
        "OpenAI refused the internal state with which the conversation was to continue.",
        "not a setting",
    ),
}
TOPICS: tuple[Topic, ...] = (*ErrorKind, *Nuance)


def _failure(topic: Topic, provider: str = "openai") -> Failure:
    """Return a failure that is about `topic`, as `classify` makes it."""
    kind = topic if isinstance(topic, ErrorKind) else ErrorKind.GENERIC
    return Failure(
        kind=kind,
        nuance=topic if isinstance(topic, Nuance) else None,
        retryable=True,
        provider=provider,
        message=wording.terminal(topic, provider),
    )


@pytest.mark.parametrize("topic", TOPICS)
def test_terminal_voice_says_the_fact_and_what_to_do(topic: Topic) -> None:
    fact, advice = WORDS[topic]
    said = wording.terminal(topic, "openai")
    assert said.startswith(f"{fact} ")
    assert advice in said.removeprefix(fact)


@pytest.mark.parametrize("topic", TOPICS)
def test_retry_voice_says_the_fact_only(topic: Topic) -> None:
    assert wording.retry(_failure(topic)) == WORDS[topic][0]


@pytest.mark.parametrize("topic", TOPICS)
def test_no_voice_shows_a_status_code_or_asks_for_another_try(topic: Topic) -> None:
    for said in (wording.terminal(topic), wording.retry(_failure(topic, ""))):
        assert not any(character.isdigit() for character in said)
        assert "try again" not in said.lower()
        assert "{" not in said


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize(
    ("provider", "subject"),
    [
        ("anthropic", "Anthropic"),
        ("azure", "Azure OpenAI"),
        ("bedrock", "AWS Bedrock"),
        ("google", "Google"),
        ("openai", "OpenAI"),
        ("openai-compat", "OpenAI Compatible"),
        ("openrouter", "OpenRouter"),
        ("vercel", "Vercel AI Gateway"),
        ("", "The AI provider"),
        ("our-vllm", "The AI provider"),
    ],
)
def test_subject_is_the_display_name(topic: Topic, provider: str, subject: str) -> None:
    for said in (wording.terminal(topic, provider), wording.retry(_failure(topic, provider))):
        inside = subject.replace("The AI", "the AI")
        assert said.startswith(f"{subject} ") or f" {inside}" in said


@pytest.mark.parametrize(
    ("status", "retryable", "fact"),
    [
        (0, False, "The request to the AI provider timed out."),
        (0, True, "The AI provider is temporarily unavailable."),
        (503, False, "The AI provider is temporarily unavailable."),
        (503, True, "The AI provider is temporarily unavailable."),
    ],
)
def test_timeout_without_status_and_retry_is_our_own(
    status: int, retryable: bool, fact: str
) -> None:
    failure = Failure(kind=ErrorKind.TIMEOUT, retryable=retryable, status_code=status)
    assert wording.retry(failure) == fact


@pytest.mark.parametrize(
    ("error", "fact"),
    [
        (RuntimeError("status 529"), "The AI provider is temporarily overloaded."),
        (RuntimeError("claude: eof"), "Anthropic is temporarily unavailable."),
        (TimeoutError(), "The request to the AI provider timed out."),
        (RuntimeError("chat interrupted"), "The request to the AI provider was cancelled."),
        (
            StreamTruncated(dialect="anthropic"),
            "The answer of Anthropic ended before it was complete.",
        ),
        (RuntimeError("boom"), "The AI provider returned an unexpected error."),
    ],
    ids=repr,
)
def test_classified_failure_speaks_in_both_voices(error: Exception, fact: str) -> None:
    failure = classify(error)
    assert failure.message.startswith(f"{fact} ")
    assert wording.retry(failure) == fact


def test_foreign_message_leaves_the_retry_voice_to_the_kind() -> None:
    failure = Failure(kind=ErrorKind.RATE_LIMIT, retryable=True, message="cooling down")
    assert wording.retry(failure) == "The AI provider is limiting requests."
