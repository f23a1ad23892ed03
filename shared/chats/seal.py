"""What every change of a chat has in common: versions, counters, and where the time went. Pure."""

from dataclasses import dataclass
from datetime import datetime

from shared.chats.record import Chat
from shared.chats.states import Status
from shared.chats.types import TurnTime


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """How a step spent its lease, in seconds; what is left of the lease counts as commit."""

    provider: float = 0.0
    tools: float = 0.0


def seal_versions(before: Chat, after: Chat, *, history: bool, queue: bool) -> None:
    """Stamp what differs with the new snapshot; a changed history starts a new row of episodes."""
    version = after.snapshot_version
    if history:
        after.history_version = version
        after.generation_attempt = 0
        after.clear_retry()
    if queue:
        after.queue_version = version
    if after.status is not before.status:
        after.status_version = version
    if after.title != before.title:
        after.title_version = version
    if after.last_error != before.last_error:
        after.error_version = version
    if after.retry_state != before.retry_state:
        after.retry_version = version
    if after.pending_calls != before.pending_calls:
        after.action_version = version


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
