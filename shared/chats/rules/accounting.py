"""Where a turn's time went: every moment is booked once, to one phase. Pure."""

from datetime import datetime

from shared.chats.model.chat import Chat
from shared.chats.model.statuses import Status
from shared.chats.model.timing import Spans, TurnTime


def account(before: Chat, after: Chat, *, now: datetime, spans: Spans | None) -> None:
    """Book the time since the last booking to the phase that the chat was in until now.

    Every moment of a turn is booked exactly once, so that the phases add up to its length.
    """
    elapsed = max((now - after.phase_since).total_seconds(), 0.0)
    booked = _book(before, since=after.phase_since, elapsed=elapsed, spans=spans)
    after.turn_time = add_times(after.turn_time, booked)
    after.phase_since = now


def add_times(one: TurnTime, other: TurnTime) -> TurnTime:
    """Add two bookings, phase by phase."""
    return TurnTime(
        queue=one.queue + other.queue,
        provider=one.provider + other.provider,
        backoff=one.backoff + other.backoff,
        tools=one.tools + other.tools,
        client_tools=one.client_tools + other.client_tools,
        commit=one.commit + other.commit,
    )


def _book(before: Chat, *, since: datetime, elapsed: float, spans: Spans | None) -> TurnTime:
    match before.status:
        case Status.PENDING | Status.ERROR:
            # An error that is retried waited for its person as a message waits for its worker.
            return _split_backoff(before, since, elapsed)
        case Status.RUNNING | Status.INTERRUPTING:
            return _split_lease(before, elapsed, spans)
        case Status.REQUIRES_ACTION:
            return TurnTime(client_tools=elapsed)
        case Status.WAITING:
            return TurnTime()


def _split_backoff(before: Chat, since: datetime, elapsed: float) -> TurnTime:
    if before.retry_at is None:
        return TurnTime(queue=elapsed)
    planned = max((before.retry_at - since).total_seconds(), 0.0)
    backoff = min(elapsed, planned)
    return TurnTime(backoff=backoff, queue=elapsed - backoff)


def _split_lease(before: Chat, elapsed: float, spans: Spans | None) -> TurnTime:
    if spans is None and before.generation_attempt == 0:
        # No step begins with this number: its calls are committed, and the rest booked before.
        return TurnTime(tools=elapsed)
    if spans is None:
        # The worker died with its stopwatch: most of a lease is waiting for the provider.
        return TurnTime(provider=elapsed)
    provider = min(spans.provider, elapsed)
    tools = min(spans.tools, elapsed - provider)
    return TurnTime(provider=provider, tools=tools, commit=elapsed - provider - tools)


def reset_time(chat: Chat, *, queued_since: datetime, now: datetime) -> None:
    """Start the bookkeeping of the turn that becomes current; until now it was queued."""
    chat.turn_time = queued_time(since=queued_since, now=now)
    chat.phase_since = now


def queued_time(*, since: datetime, now: datetime) -> TurnTime:
    """Return the time of a turn that was queued until now and nothing else."""
    return TurnTime(queue=max((now - since).total_seconds(), 0.0))
