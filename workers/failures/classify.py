"""The one place that decides what an exception means: its kind and whether to retry."""

from dataclasses import replace
from datetime import UTC, datetime

from shared.failures import wording
from shared.failures.kinds import Failure, Preclassified, ProviderError
from workers.failures import response_body
from workers.failures.chain import every, walk
from workers.failures.rules import Rule, first_rule
from workers.failures.signals import Signals, normalise_provider, read_signals


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
    row = first_rule(signals)
    failure = Failure(
        kind=row.kind,
        retryable=row.retryable,
        provider=hint or signals.provider or row.provider,
        status_code=signals.status,
        retry_after=_retry_after(every(errors, ProviderError), now),
        detail=_detail(row, signals),
        nuance=row.nuance,
        chain_broken=row.chain_broken,
    )
    return replace(failure, message=wording.terminal(wording.topic_of(failure), failure.provider))


def _completed(failure: Failure, hint: str) -> Failure:
    # Our own code gives the verdict and leaves the words to us; what it does give stays.
    named = replace(
        failure, provider=failure.provider or hint, detail=response_body.cut(failure.detail)
    )
    if named.message:
        return named
    return replace(named, message=wording.terminal(wording.topic_of(named), named.provider))


def _retry_after(answers: list[ProviderError], now: datetime | None) -> float:
    moment = now or datetime.now(UTC)
    hints = (response_body.retry_after(answer.headers, moment) for answer in answers)
    return next(filter(None, hints), 0.0)


def _detail(row: Rule, signals: Signals) -> str:
    said = row.diagnostic or signals.reported
    if said or not row.quotes_text or signals.transport:
        return response_body.cut(said)
    # A URL may carry a key, and where it ends in a free text is a guess.
    return "" if "://" in signals.text else response_body.cut(" ".join(signals.text.split()))
