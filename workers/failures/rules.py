"""The precedence of failures: rows from top to bottom, the first that matches decides."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shared.failures.kinds import ErrorKind, Nuance
from workers.failures import predicates
from workers.failures.signals import Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row: a test, and what it means when no row above it matched."""

    matches: Callable[[Signals], bool]
    kind: ErrorKind
    retryable: bool
    provider: str = ""
    """Who it was when nobody is named."""
    nuance: Nuance | None = None
    diagnostic: str = ""
    """A detail of ours that replaces the provider's words."""
    quotes_text: bool = True
    """Whether the raw text may be the detail when the provider said nothing."""
    chain_broken: bool = False


_CONTINUATION: Final = "the continued conversation does not fit the provider's state"

# Why each row stands before the next:
#
#  1 interrupted: a person's stop looks like whatever it cut off, and is never retried.
#  2 continuation mismatch: its words hold `not found` or a status, but only a new history helps.
#  3 truncated: the text ends in the `EOF` of row 11, and the guess of the provider is certain.
#  4 chain broken: comes as a 400 or 404 that would be final, and heals by itself.
#  5 overloaded: gateways wrap it in 429, 503 or talk of quota; the retry is right in all of them.
#  6 usage limit: an empty account answers with 401, 403 or 429 too, and waiting fills none. At a
#    429 `quota` alone usually means requests per minute, so only `insufficient_quota` counts.
#  7 auth by 401: a refused key hides whatever else is wrong with the request.
#  8 auth by 403: some providers say 403 for a model that does not exist, so config texts pass.
#  9 rate limit: proxies put it into 503 texts of row 11; a refused model stays refused.
# 10 provider disabled: gateways answer with a 503, which row 11 would retry for ever.
# 11 unreachable: may not swallow config texts (`service unavailable: model not found`). Our own
#    deadline is told apart first: the time is over, so another attempt has none.
# 12 config: may come as a 500, which row 13 would retry.
# 13 server failed: a stream that the server broke off with a 500 also cancels our request.
# 14 cancelled: the type says nothing about the provider, so it comes after all that does.
_ROWS: Final = (
    Rule(  # 1
        matches=predicates.interrupted,
        kind=ErrorKind.GENERIC,
        retryable=False,
        nuance=Nuance.CANCELLED,
        quotes_text=False,
    ),
    Rule(  # 2
        matches=predicates.call_output_missing,
        kind=ErrorKind.GENERIC,
        retryable=False,
        nuance=Nuance.CONTINUATION_MISMATCH,
        diagnostic=f"{_CONTINUATION}; match=function_call_output_missing",
    ),
    Rule(  # 2
        matches=predicates.reasoning_missing,
        kind=ErrorKind.GENERIC,
        retryable=False,
        nuance=Nuance.CONTINUATION_MISMATCH,
        diagnostic=f"{_CONTINUATION}; match=web_search_reasoning_missing",
    ),
    Rule(  # 3
        matches=predicates.truncated_by_anthropic,
        kind=ErrorKind.TIMEOUT,
        retryable=True,
        provider="anthropic",
        nuance=Nuance.TRUNCATED,
        quotes_text=False,
    ),
    Rule(  # 3
        matches=predicates.truncated_by_openai,
        kind=ErrorKind.TIMEOUT,
        retryable=True,
        provider="openai",
        nuance=Nuance.TRUNCATED,
        quotes_text=False,
    ),
    Rule(  # 3
        matches=predicates.truncated,
        kind=ErrorKind.TIMEOUT,
        retryable=True,
        nuance=Nuance.TRUNCATED,
        quotes_text=False,
    ),
    Rule(  # 4
        matches=predicates.chain_broken,
        kind=ErrorKind.GENERIC,
        retryable=True,
        provider="openai",
        quotes_text=False,
        chain_broken=True,
    ),
    Rule(matches=predicates.overloaded, kind=ErrorKind.OVERLOADED, retryable=True),  # 5
    Rule(matches=predicates.out_of_funds, kind=ErrorKind.USAGE_LIMIT, retryable=False),  # 6
    Rule(  # 7
        matches=predicates.key_refused,
        kind=ErrorKind.AUTH,
        retryable=False,
        quotes_text=False,
    ),
    Rule(  # 8
        matches=predicates.forbidden,
        kind=ErrorKind.AUTH,
        retryable=False,
        quotes_text=False,
    ),
    Rule(matches=predicates.rate_limited, kind=ErrorKind.RATE_LIMIT, retryable=True),  # 9
    Rule(  # 10
        matches=predicates.provider_disabled,
        kind=ErrorKind.PROVIDER_DISABLED,
        retryable=False,
    ),
    Rule(matches=predicates.deadline_exceeded, kind=ErrorKind.TIMEOUT, retryable=False),  # 11
    Rule(matches=predicates.unreachable, kind=ErrorKind.TIMEOUT, retryable=True),  # 11
    Rule(matches=predicates.config_refused, kind=ErrorKind.CONFIG, retryable=False),  # 12
    Rule(matches=predicates.server_failed, kind=ErrorKind.GENERIC, retryable=True),  # 13
    Rule(  # 14
        matches=predicates.cancelled,
        kind=ErrorKind.GENERIC,
        retryable=False,
        nuance=Nuance.CANCELLED,
        quotes_text=False,
    ),
    Rule(matches=predicates.anything, kind=ErrorKind.GENERIC, retryable=False),  # 15
)


def first_rule(signals: Signals) -> Rule:
    """Return the row that decides; the last one matches everything."""
    return next(row for row in _ROWS if row.matches(signals))
