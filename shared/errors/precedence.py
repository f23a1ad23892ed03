"""The precedence of failures: rows from top to bottom, the first that matches decides."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shared.errors import conditions
from shared.errors.kinds import ErrorKind
from shared.errors.messages import Nuance
from shared.errors.signals import Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
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
    Row(  # 1
        matches=conditions.interrupted,
        kind=ErrorKind.GENERIC,
        retryable=False,
        nuance=Nuance.CANCELLED,
        quotes_text=False,
    ),
    Row(  # 2
        matches=conditions.call_output_missing,
        kind=ErrorKind.GENERIC,
        retryable=False,
        nuance=Nuance.CONTINUATION_MISMATCH,
        diagnostic=f"{_CONTINUATION}; match=function_call_output_missing",
    ),
    Row(  # 2
        matches=conditions.reasoning_missing,
        kind=ErrorKind.GENERIC,
        retryable=False,
        nuance=Nuance.CONTINUATION_MISMATCH,
        diagnostic=f"{_CONTINUATION}; match=web_search_reasoning_missing",
    ),
    Row(  # 3
        matches=conditions.truncated_by_anthropic,
        kind=ErrorKind.TIMEOUT,
        retryable=True,
        provider="anthropic",
        nuance=Nuance.TRUNCATED,
        quotes_text=False,
    ),
    Row(  # 3
        matches=conditions.truncated_by_openai,
        kind=ErrorKind.TIMEOUT,
        retryable=True,
        provider="openai",
        nuance=Nuance.TRUNCATED,
        quotes_text=False,
    ),
    Row(  # 3
        matches=conditions.truncated,
        kind=ErrorKind.TIMEOUT,
        retryable=True,
        nuance=Nuance.TRUNCATED,
        quotes_text=False,
    ),
    Row(  # 4
        matches=conditions.chain_broken,
        kind=ErrorKind.GENERIC,
        retryable=True,
        provider="openai",
        quotes_text=False,
        chain_broken=True,
    ),
    Row(matches=conditions.overloaded, kind=ErrorKind.OVERLOADED, retryable=True),  # 5
    Row(matches=conditions.out_of_funds, kind=ErrorKind.USAGE_LIMIT, retryable=False),  # 6
    Row(  # 7
        matches=conditions.key_refused,
        kind=ErrorKind.AUTH,
        retryable=False,
        quotes_text=False,
    ),
    Row(  # 8
        matches=conditions.forbidden,
        kind=ErrorKind.AUTH,
        retryable=False,
        quotes_text=False,
    ),
    Row(matches=conditions.rate_limited, kind=ErrorKind.RATE_LIMIT, retryable=True),  # 9
    Row(  # 10
        matches=conditions.provider_disabled,
        kind=ErrorKind.PROVIDER_DISABLED,
        retryable=False,
    ),
    Row(matches=conditions.deadline_exceeded, kind=ErrorKind.TIMEOUT, retryable=False),  # 11
    Row(matches=conditions.unreachable, kind=ErrorKind.TIMEOUT, retryable=True),  # 11
    Row(matches=conditions.config_refused, kind=ErrorKind.CONFIG, retryable=False),  # 12
    Row(matches=conditions.server_failed, kind=ErrorKind.GENERIC, retryable=True),  # 13
    Row(  # 14
        matches=conditions.cancelled,
        kind=ErrorKind.GENERIC,
        retryable=False,
        nuance=Nuance.CANCELLED,
        quotes_text=False,
    ),
    Row(matches=conditions.anything, kind=ErrorKind.GENERIC, retryable=False),  # 15
)


def first_row(signals: Signals) -> Row:
    """Return the row that decides; the last one matches everything."""
    return next(row for row in _ROWS if row.matches(signals))
