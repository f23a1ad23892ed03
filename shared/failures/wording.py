"""Our own words for a failure, in two voices: for the end of a turn, and for a countdown.

The terminal voice says what happened and what a person can do about it; the retry voice says the
fact only. Neither holds a status code, which is a field of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from shared.failures.kinds import ErrorKind, Failure, Nuance

UNKNOWN_SUBJECT: Final = "The AI provider"

_SUBJECTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "anthropic": "Anthropic",
        "azure": "Azure OpenAI",
        "bedrock": "AWS Bedrock",
        "google": "Google",
        "openai": "OpenAI",
        "openai-compat": "OpenAI Compatible",
        "openrouter": "OpenRouter",
        "vercel": "Vercel AI Gateway",
    }
)


Topic = ErrorKind | Nuance


@dataclass(frozen=True, slots=True)
class _Wording:
    # `{Subject}` begins a sentence, `{subject}` stands inside one.
    fact: str
    advice: str


_WORDINGS: Final[Mapping[Topic, _Wording]] = MappingProxyType(
    {
        ErrorKind.OVERLOADED: _Wording(
            "{Subject} is temporarily overloaded.",
            "Continue the chat in a few minutes, or choose another model.",
        ),
        ErrorKind.RATE_LIMIT: _Wording(
            "{Subject} is limiting requests.",
            "Continue the chat in a few minutes, or ask the provider for a higher limit.",
        ),
        ErrorKind.TIMEOUT: _Wording(
            "{Subject} is temporarily unavailable.",
            "Look at the provider's status page, and continue the chat when it is back.",
        ),
        Nuance.REQUEST_TIMED_OUT: _Wording(
            "The request to {subject} timed out.",
            "A shorter request or a longer time limit may help.",
        ),
        ErrorKind.STARTUP_TIMEOUT: _Wording(
            "{Subject} did not begin to answer in time.",
            "Continue the chat in a few minutes, or choose another model.",
        ),
        ErrorKind.USAGE_LIMIT: _Wording(
            "{Subject} reports that the account's quota is used up.",
            "Look at the billing and quota of the account.",
        ),
        ErrorKind.AUTH: _Wording(
            "{Subject} refused the request because authentication failed.",
            "Look at the API key and its permissions.",
        ),
        ErrorKind.CONFIG: _Wording(
            "{Subject} rejected the model or its settings.",
            "Look at the name of the model and its settings.",
        ),
        ErrorKind.MISSING_KEY: _Wording(
            "No API key is configured for {subject}.",
            "Ask the operator to set one, or choose another model.",
        ),
        ErrorKind.PROVIDER_DISABLED: _Wording(
            "{Subject} is switched off.",
            "Ask the operator to switch it on, or choose another model.",
        ),
        Nuance.TRUNCATED: _Wording(
            "The answer of {subject} ended before it was complete.",
            "Continue the chat to get a whole one.",
        ),
        Nuance.CANCELLED: _Wording(
            "The request to {subject} was cancelled.",
            "Send a message to go on.",
        ),
        Nuance.CONTINUATION_MISMATCH: _Wording(
            "{Subject} refused the internal state with which the conversation was to continue.",
            "This is not a setting: report it to the operator, and go on in a new chat.",
        ),
        ErrorKind.GENERIC: _Wording(
            "{Subject} returned an unexpected error.",
            "Report it to the operator if it comes back.",
        ),
    }
)


def terminal(topic: Topic, provider: str = "") -> str:
    """Return what happened and what a person can do: the message of a turn that ended."""
    wording = _WORDINGS[topic]
    return _say(f"{wording.fact} {wording.advice}", provider)


def retry(failure: Failure) -> str:
    """Return the fact of a failure alone: the message that is shown with a countdown."""
    return _say(_WORDINGS[topic_of(failure)].fact, failure.provider)


def topic_of(failure: Failure) -> Topic:
    """Return what a failure is about: its nuance, else its kind."""
    if failure.nuance is not None:
        return failure.nuance
    nobody_refused = not failure.status_code and not failure.retryable
    if failure.kind == ErrorKind.TIMEOUT and nobody_refused:
        return Nuance.REQUEST_TIMED_OUT
    return failure.kind


def _say(sentence: str, provider: str) -> str:
    name = _SUBJECTS.get(provider)
    return sentence.format(
        Subject=name or UNKNOWN_SUBJECT,
        subject=name or UNKNOWN_SUBJECT[0].lower() + UNKNOWN_SUBJECT[1:],
    )
