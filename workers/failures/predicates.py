"""The tests of the precedence: what each row looks for in the signals of an exception."""

from typing import Final

from workers.failures.signals import Signals

_INTERRUPTED: Final = ("chat interrupted", "request interrupted", "operation interrupted")
_CALL_OUTPUT_MISSING: Final = "no tool output found for function call"
_REASONING_MISSING: Final = "was provided without its required 'reasoning' item"
_ANTHROPIC_TRUNCATED: Final = "anthropic stream closed before message_stop"
_OPENAI_TRUNCATED: Final = "openai responses stream closed before terminal event"
_NO_FUNDS: Final = ("quota", "billing", "payment required")
_KEY_REFUSED: Final = ("authentication", "unauthorized", "invalid api key", "invalid_api_key")
# `rate limit` covers `rate limited`.
_RATE_LIMITED: Final = ("rate limit", "rate_limit", "rate-limited", "too many requests")
# `timeout` covers `gateway timeout`, `unavailable` covers `service unavailable`.
_UNREACHABLE: Final = (
    "timeout",
    "timed out",
    "unavailable",
    "connection reset",
    "connection refused",
    "eof",
    "broken pipe",
    "bad gateway",
)
_UNREACHABLE_STATUSES: Final = frozenset({408, 502, 503, 504})
_HTTP2_UNREACHABLE: Final = (
    "client conn",
    "goaway",
    "http2: stream closed",
    "use of closed network connection",
    "internal_error; received from peer",
    "refused_stream; received from peer",
    "cancel; received from peer",
    "enhance_your_calm; received from peer",
    "no_error; received from peer",
)
# `malformed config` covers `malformed configuration`.
_CONFIG: Final = (
    "invalid model",
    "model not found",
    "model_not_found",
    "unsupported model",
    "context length exceeded",
    "context_exceeded",
    "maximum context length",
    "malformed config",
)


def interrupted(signals: Signals) -> bool:
    """Say whether a person stopped it."""
    return _has(signals.lowered, *_INTERRUPTED)


def call_output_missing(signals: Signals) -> bool:
    """Say whether the provider misses the result of a tool call."""
    return _has(_text_and_detail(signals), _CALL_OUTPUT_MISSING)


def reasoning_missing(signals: Signals) -> bool:
    """Say whether the provider misses the reasoning that belongs to a web search."""
    return _has(_text_and_detail(signals), _REASONING_MISSING)


def truncated_by_anthropic(signals: Signals) -> bool:
    """Say whether an Anthropic stream lacks its terminal event."""
    return _has(signals.lowered, _ANTHROPIC_TRUNCATED)


def truncated_by_openai(signals: Signals) -> bool:
    """Say whether a Responses stream lacks its terminal event."""
    return _has(signals.lowered, _OPENAI_TRUNCATED)


def truncated(signals: Signals) -> bool:
    """Say whether a stream of any dialect lacks its terminal event."""
    return signals.truncated


def chain_broken(signals: Signals) -> bool:
    """Say whether the provider no longer knows the previous response."""
    return "previous response with id" in signals.words and "not found" in signals.words


def overloaded(signals: Signals) -> bool:
    """Say whether the provider has too much to do."""
    return signals.status == 529 or _has(signals.words, "overloaded")


def out_of_funds(signals: Signals) -> bool:
    """Say whether the account is used up; at a 429 only its code does, for `quota` means a rate."""
    said = f"{signals.words}\n{signals.reported.lower()}"
    return "insufficient_quota" in said or (signals.status != 429 and _has(said, *_NO_FUNDS))


def key_refused(signals: Signals) -> bool:
    """Say whether the key is not accepted."""
    return signals.status == 401 or _has(signals.words, *_KEY_REFUSED)


def forbidden(signals: Signals) -> bool:
    """Say whether the key may not do this, rather than the model not existing for it."""
    refused = signals.status == 403 or _has(signals.words, "forbidden")
    return refused and not config_refused(signals)


def rate_limited(signals: Signals) -> bool:
    """Say whether requests are limited, rather than a setting refused under that status."""
    limited = signals.status == 429 or _has(signals.words, *_RATE_LIMITED)
    return limited and not config_refused(signals)


def provider_disabled(signals: Signals) -> bool:
    """Say whether a gateway switched the provider off."""
    return _has(signals.words, "provider_disabled")


def deadline_exceeded(signals: Signals) -> bool:
    """Say whether our own time was over: an outermost `TimeoutError`, or the words for it."""
    over = signals.deadline or _has(signals.words, "context deadline exceeded")
    return over and not config_refused(signals)


def unreachable(signals: Signals) -> bool:
    """Say whether the provider could not be reached or broke off."""
    if config_refused(signals):
        return False
    return (
        signals.transport
        or signals.status in _UNREACHABLE_STATUSES
        or signals.reset is True
        or _has(signals.words, *_UNREACHABLE)
        # A typed reset that may not be retried knows better than the words about it.
        or (signals.reset is None and _has(signals.words, *_HTTP2_UNREACHABLE))
    )


def config_refused(signals: Signals) -> bool:
    """Say whether the text is a config text: the model or its settings were refused."""
    return _has(signals.words, *_CONFIG)


def server_failed(signals: Signals) -> bool:
    """Say whether the provider failed inside."""
    return signals.status == 500 or _has(signals.lowered, "server error")


def cancelled(signals: Signals) -> bool:
    """Say whether the task was cancelled."""
    return signals.cancelled


def anything(signals: Signals) -> bool:
    """Match whatever is left."""
    del signals
    return True


def _text_and_detail(signals: Signals) -> str:
    return f"{signals.lowered}\n{signals.reported.lower()}"


def _has(text: str, *needles: str) -> bool:
    return any(needle in text for needle in needles)
