"""What every change has in common: versions are stamped, and the time is booked."""

from dataclasses import astuple, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from shared.chats.model.chat import Chat, PendingCall
from shared.chats.model.ids import TurnId
from shared.chats.model.statuses import Status
from shared.chats.model.timing import Spans, TurnTime
from shared.chats.model.turns import ChatError, RetryState
from shared.chats.rules.accounting import account, add_times, queued_time, reset_time
from shared.chats.rules.versions import stamp_versions
from tests.chats import new_chat

START = datetime(2026, 1, 2, tzinfo=UTC)
VERSIONS = (
    "history_version",
    "queue_version",
    "status_version",
    "title_version",
    "error_version",
    "retry_version",
    "action_version",
)
ERROR = ChatError(message="m", kind="generic", retryable=False, turn_id=None)
RETRY = RetryState(
    attempt=1, delay_ms=1, error="e", kind="timeout", retryable=True, retrying_at=START
)
CALL = PendingCall(
    tool_call_id="c", tool_name="t", args={}, deadline_at=START, turn_id=TurnId(uuid7())
)


def _sealed(*, history: bool = False, queue: bool = False, **changes: object) -> Chat:
    before = new_chat(snapshot_version=7, generation_attempt=3, failures=2, losses=1)
    after = replace(before, snapshot_version=8, **changes)  # pyright: ignore[reportArgumentType]  # fields by name
    stamp_versions(before, after, history=history, queue=queue)
    return after


@pytest.mark.parametrize(
    ("changes", "stamped"),
    [
        ({}, set[str]()),
        ({"history": True}, {"history_version"}),
        ({"queue": True}, {"queue_version"}),
        ({"status": Status.RUNNING}, {"status_version"}),
        ({"title": "other"}, {"title_version"}),
        ({"last_error": ERROR}, {"error_version"}),
        ({"retry_state": RETRY}, {"retry_version"}),
        ({"pending_calls": (CALL,)}, {"action_version"}),
        ({"labels": {"a": "b"}, "model": "m2"}, set[str]()),
        (
            {"history": True, "queue": True, "status": Status.WAITING},
            {"history_version", "queue_version", "status_version"},
        ),
    ],
)
def test_what_changed_carries_the_snapshot(changes: dict[str, object], stamped: set[str]) -> None:
    after = _sealed(**changes)  # pyright: ignore[reportArgumentType]  # fields by name
    assert {name for name in VERSIONS if getattr(after, name) == 8} == stamped


def test_a_changed_history_begins_the_episodes_anew() -> None:
    after = _sealed(history=True, retry_at=START, retry_state=RETRY)
    assert (after.generation_attempt, after.failures, after.losses) == (0, 0, 0)
    assert (after.retry_at, after.retry_state) == (None, None)


def test_nothing_else_touches_the_attempts() -> None:
    after = _sealed(queue=True, status=Status.WAITING, title="t")
    assert (after.generation_attempt, after.failures, after.losses) == (3, 2, 1)


def _booked(
    status: Status,
    seconds: float,
    *,
    attempt: int = 1,
    spans: Spans | None = None,
    retry_in: float | None = None,
) -> TurnTime:
    retry_at = None if retry_in is None else START + timedelta(seconds=retry_in)
    before = new_chat(
        status=status, phase_since=START, retry_at=retry_at, generation_attempt=attempt
    )
    after = before.copy()
    now = START + timedelta(seconds=seconds)
    account(before, after, now=now, spans=spans)
    assert after.phase_since == now
    return after.turn_time


@pytest.mark.parametrize(
    ("status", "spans", "retry_in", "expected"),
    [
        (Status.WAITING, None, None, TurnTime()),
        (Status.PENDING, None, None, TurnTime(queue=10)),
        (Status.PENDING, None, 4, TurnTime(backoff=4, queue=6)),
        (Status.PENDING, None, 60, TurnTime(backoff=10)),
        (Status.PENDING, None, -1, TurnTime(queue=10)),
        (Status.ERROR, None, None, TurnTime(queue=10)),
        (Status.REQUIRES_ACTION, None, None, TurnTime(client_tools=10)),
        (Status.RUNNING, None, None, TurnTime(provider=10)),
        (
            Status.RUNNING,
            Spans(provider=6, tools=3),
            None,
            TurnTime(provider=6, tools=3, commit=1),
        ),
        (Status.INTERRUPTING, Spans(provider=6), None, TurnTime(provider=6, commit=4)),
        # Two clocks never quite agree: a span is cut to what there was.
        (Status.RUNNING, Spans(provider=12, tools=1), None, TurnTime(provider=10)),
        (Status.RUNNING, Spans(provider=8, tools=5), None, TurnTime(provider=8, tools=2)),
    ],
)
def test_time_is_booked_to_the_phase_it_was_spent_in(
    status: Status, spans: Spans | None, retry_in: float | None, expected: TurnTime
) -> None:
    assert _booked(status, 10, spans=spans, retry_in=retry_in) == expected


@pytest.mark.parametrize("status", [Status.RUNNING, Status.INTERRUPTING])
def test_a_lease_that_ends_unheard_after_its_calls_were_committed_was_the_tools(
    status: Status,
) -> None:
    assert _booked(status, 10, attempt=0) == TurnTime(tools=10)
    assert _booked(status, 10, attempt=0, spans=Spans(tools=8)) == TurnTime(tools=8, commit=2)


def test_a_clock_that_was_set_back_books_nothing() -> None:
    assert _booked(Status.PENDING, -5) == TurnTime()


SECONDS = st.floats(min_value=0, max_value=10_000)


@given(
    st.sampled_from([status for status in Status if status is not Status.WAITING]),
    SECONDS,
    st.none() | st.builds(Spans, provider=SECONDS, tools=SECONDS),
    st.none() | st.floats(min_value=-100, max_value=10_000),
)
def test_what_is_booked_adds_up_to_what_has_passed(
    status: Status, seconds: float, spans: Spans | None, retry_in: float | None
) -> None:
    time = astuple(_booked(status, seconds, spans=spans, retry_in=retry_in))
    assert sum(time) == pytest.approx(seconds, abs=0.000_002)
    assert min(time) >= 0


def test_a_turn_that_becomes_current_was_queued_until_now() -> None:
    chat = new_chat(turn_time=TurnTime(provider=5))
    reset_time(chat, queued_since=START, now=START + timedelta(seconds=3))
    assert chat.turn_time == TurnTime(queue=3) == queued_time(since=START, now=chat.phase_since)


def test_times_are_added_phase_by_phase() -> None:
    one = TurnTime(queue=1, provider=2, backoff=3, tools=4, client_tools=5, commit=6)
    assert astuple(add_times(one, one)) == (2, 4, 6, 8, 10, 12)
