"""The one place that decides what an exception means: its kind and whether to retry."""

from dataclasses import replace
from datetime import UTC, datetime

from shared.errors import messages, replies
from shared.errors.chain import every, walk
from shared.errors.kinds import Failure, Preclassified, ProviderError
from shared.errors.precedence import Row, first_row
from shared.errors.signals import Signals, normalise_provider, read_signals


def classify(error: BaseException, *, provider: str = "", now: datetime | None = None) -> Failure:
    """Return what `error` and its causes mean; the same error and `now` give the same answer.

    `provider` is what the caller knows: it replaces every guess, and the message is written for
    it. `now` dates a Retry-After that is a date; without it the clock is read.
    """
    errors = walk(error)
    hint = normalise_provider(provider)
    given = every(errors, Preclassified)
    if given:
        return _completed(given[0].failure, hint)
    signals = read_signals(errors)
    row = first_row(signals)
    failure = Failure(
        kind=row.kind,
        retryable=row.retryable,
        provider=hint or signals.provider or row.provider,
        status_code=signals.status,
        retry_after=_retry_after(every(errors, ProviderError), now),
        detail=_detail(row, signals),
        chain_broken=row.chain_broken,
    )
    topic = row.nuance or messages.topic_of(failure)
    return replace(failure, message=messages.terminal(topic, failure.provider))


def _completed(failure: Failure, hint: str) -> Failure:
    # Our own code gives the verdict and leaves the words to us; what it does give stays.
    named = replace(failure, provider=failure.provider or hint, detail=replies.cut(failure.detail))
    if named.message:
        return named
    return replace(named, message=messages.terminal(messages.topic_of(named), named.provider))


def _retry_after(answers: list[ProviderError], now: datetime | None) -> float:
    moment = now or datetime.now(UTC)
    hints = (replies.retry_after(answer.headers, moment) for answer in answers)
    return next(filter(None, hints), 0.0)


def _detail(row: Row, signals: Signals) -> str:
    said = row.diagnostic or signals.reported
    if said or not row.quotes_text or signals.transport:
        return replies.cut(said)
    # A URL may carry a key, and where it ends in a free text is a guess.
    return "" if "://" in signals.text else replies.cut(" ".join(signals.text.split()))
