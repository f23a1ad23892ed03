"""A stream ends complete, failed, by one of its guards, or stopped, and says which."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest
from uuid_utils.compat import uuid7

from shared.chats.model.ids import ChatId, LeaseId
from shared.chats.model.parts import ReasoningPart, TextPart
from shared.failures.kinds import (
    ErrorKind,
    Preclassified,
    ProviderError,
    StreamTruncated,
    TransportFailed,
)
from tests.unit.steps.playing import Playing
from workers.leases.registry import CancelReason, Lease
from workers.providers.protocol import FinishReason, PartDone, ReasoningDelta, StreamEnd, TextDelta
from workers.steps.answer.read_stream import ProviderFailure, Streamed
from workers.timers import TimerName

FINISH = StreamEnd(reason=FinishReason.STOP)
HELLO = TextDelta(0, "hello")
SAID = (TextPart(text="hello"),)
SIGNED = ReasoningPart(text="", provider_metadata={"signature": "s"})


def _play(test: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(10):
            await test()

    asyncio.run(run())


def _kind(streamed: Streamed) -> ErrorKind:
    assert isinstance(streamed.error, Preclassified)
    assert streamed.error.failure.retryable
    assert streamed.error.failure.provider == "p"
    return streamed.error.failure.kind


def test_a_complete_stream_has_its_answer_its_times_and_no_timer_left() -> None:
    async def test() -> None:
        playing = await Playing.open()
        playing.timers.time += 2
        await playing.puppet.say(HELLO)
        playing.timers.time += 3
        await playing.puppet.say(PartDone(0, SAID[0]))
        await playing.puppet.say(FINISH)
        playing.puppet.end()
        streamed = await playing.task
        assert (streamed.answer.parts, streamed.answer.finish) == (SAID, FINISH)
        assert (streamed.error, streamed.stopped) == (None, None)
        assert (streamed.first_part_seconds, streamed.seconds) == (2, 5)
        assert playing.timers.armed == []
        assert playing.puppet.closed.is_set()

    _play(test)


def test_an_empty_answer_has_no_first_part() -> None:
    async def test() -> None:
        playing = await Playing.open()
        await playing.puppet.say(FINISH)
        playing.puppet.end()
        assert (await playing.task).first_part_seconds is None

    _play(test)


@pytest.mark.parametrize(
    "error",
    [ProviderError(status_code=500), TransportFailed(), StreamTruncated()],
    ids=lambda error: type(error).__name__,
)
def test_a_failure_of_the_provider_is_the_streams(error: ProviderFailure) -> None:
    async def test() -> None:
        playing = await Playing.open()
        await playing.puppet.say(HELLO)
        playing.puppet.end(error)
        streamed = await playing.task
        assert streamed.error is error
        assert streamed.answer.parts == SAID

    _play(test)


def test_a_stream_that_just_ends_was_truncated() -> None:
    async def test() -> None:
        playing = await Playing.open()
        await playing.puppet.say(HELLO)
        playing.puppet.end()
        assert isinstance((await playing.task).error, StreamTruncated)

    _play(test)


def test_what_fails_after_the_terminal_event_does_not_matter() -> None:
    async def test() -> None:
        playing = await Playing.open()
        await playing.puppet.say(FINISH)
        playing.puppet.end(TransportFailed())
        assert (await playing.task).answer.finish is FINISH

    _play(test)


def test_a_provider_that_does_not_begin_is_given_up() -> None:
    async def test() -> None:
        playing = await Playing.open()
        assert playing.timers.armed == [(TimerName.STARTUP, 60)]
        playing.timers.fire(after=60)
        streamed = await playing.task
        assert _kind(streamed) is ErrorKind.STARTUP_TIMEOUT
        assert (streamed.seconds, streamed.first_part_seconds) == (60, None)
        assert playing.puppet.closed.is_set()

    _play(test)


def test_the_first_part_disarms_the_startup_timer_for_good() -> None:
    async def test() -> None:
        playing = await Playing.open()
        await playing.puppet.say(HELLO)
        assert playing.timers.armed == [(TimerName.SILENCE, 300)]
        playing.timers.fire(after=300)
        streamed = await playing.task
        assert _kind(streamed) is ErrorKind.TIMEOUT
        assert streamed.answer.parts == SAID

    _play(test)


def test_a_model_that_thinks_and_shows_nothing_has_begun() -> None:
    async def test() -> None:
        playing = await Playing.open()
        await playing.puppet.say(ReasoningDelta(0, ""))
        assert playing.timers.armed == [(TimerName.SILENCE, 300)]
        playing.timers.time += 70
        await playing.puppet.say(PartDone(0, SIGNED))
        await playing.puppet.say(TextDelta(1, "hello"))
        await playing.puppet.say(FINISH)
        playing.puppet.end()
        streamed = await playing.task
        assert streamed.answer.parts == (SIGNED, *SAID)
        assert streamed.first_part_seconds == 70

    _play(test)


def test_silence_counts_from_the_last_part() -> None:
    async def test() -> None:
        playing = await Playing.open()
        await playing.puppet.say(HELLO)
        playing.timers.time += 200
        await playing.puppet.say(HELLO)
        playing.timers.fire(after=100)
        assert playing.timers.armed == [(TimerName.SILENCE, 200)]
        playing.timers.fire(after=200)
        assert _kind(await playing.task) is ErrorKind.TIMEOUT

    _play(test)


@pytest.mark.parametrize("reason", list(CancelReason))
def test_a_stop_ends_the_stream_and_keeps_what_was_said(reason: CancelReason) -> None:
    async def test() -> None:
        playing = await Playing.open()
        await playing.puppet.say(HELLO)
        assert playing.lease.cancel(reason)
        streamed = await playing.task
        assert (streamed.stopped, streamed.error) == (reason, None)
        assert streamed.answer.parts == SAID
        assert playing.puppet.closed.is_set()
        assert playing.timers.armed == []

    _play(test)


def test_a_stop_may_come_from_another_thread() -> None:
    async def test() -> None:
        playing = await Playing.open()
        stop = threading.Thread(target=playing.lease.cancel, args=(CancelReason.DRAIN,))
        stop.start()
        assert (await playing.task).stopped is CancelReason.DRAIN
        stop.join()

    _play(test)


def test_a_step_that_was_stopped_before_it_began_asks_nobody() -> None:
    async def test() -> None:
        lease = Lease(chat_id=ChatId(uuid7()), id=LeaseId(uuid7()))
        lease.cancel(CancelReason.INTERRUPTED)
        playing = await Playing.open(lease)
        assert (await playing.task).stopped is CancelReason.INTERRUPTED
        assert not playing.puppet.opened.is_set()

    _play(test)


def test_a_stop_after_the_end_cancels_nothing_that_comes_then() -> None:
    async def test() -> None:
        playing = await Playing.open()
        await playing.puppet.say(FINISH)
        playing.puppet.end()
        streamed = await playing.task
        assert playing.lease.cancel(CancelReason.FENCED)
        await asyncio.sleep(0)
        assert streamed.stopped is None
        assert playing.lease.reason is CancelReason.FENCED

    _play(test)


def test_nothing_of_a_stop_is_left_for_what_the_task_does_next() -> None:
    async def test() -> None:
        playing = await Playing.open()
        playing.lease.cancel(CancelReason.INTERRUPTED)
        await playing.task
        assert playing.task.cancelling() == 0

    _play(test)


def test_a_cancellation_that_nobody_gave_a_reason_for_is_passed_on() -> None:
    async def test() -> None:
        playing = await Playing.open()
        playing.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await playing.task
        assert playing.timers.armed == []

    _play(test)


def test_a_guard_that_fires_while_a_person_stops_is_told_apart() -> None:
    async def test() -> None:
        playing = await Playing.open()
        playing.lease.cancel(CancelReason.INTERRUPTED)
        playing.timers.fire(after=60)
        streamed = await playing.task
        # Either will do: settle keeps what was said as soon as the row says that it is stopped.
        assert (streamed.error is None) != (streamed.stopped is None)

    _play(test)


def test_parts_go_out_as_they_come() -> None:
    async def test() -> None:
        playing = await Playing.open()
        await playing.puppet.say(HELLO)
        assert playing.writer.state.last == 1
        await playing.puppet.say(PartDone(1, TextPart(text="whole")))
        assert playing.writer.state.last == 2

    _play(test)
