"""Plays the provider's stream to whoever watches, and collects the answer."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime

from shared.chats.model.messages import Role
from shared.chats.model.parts import ReasoningPart, TextPart, ToolCallPart
from shared.events.types import StreamedCall
from shared.failures.kinds import Preclassified, ProviderFailure, StreamTruncated
from workers.leases.registry import CancelReason, Lease
from workers.providers.protocol import (
    CallDelta,
    PartDone,
    Provider,
    ReasoningDelta,
    Request,
    StreamEnd,
    StreamEvent,
    TextDelta,
)
from workers.steps.answer.collect import CollectedAnswer
from workers.steps.guard import Guard
from workers.streaming.writer import EpisodeWriter
from workers.timers import Timers


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """How a stream ended: complete (`answer.finish` is set), failed, or stopped.

    `seconds` is the time from the opening of the request to the end, `first_part_seconds` to the
    first part (None = none came). `asked`: the request was opened.
    """

    answer: CollectedAnswer
    asked: bool
    seconds: float
    first_part_seconds: float | None
    error: ProviderFailure | None = None
    stopped: CancelReason | None = None


class _Stop:
    """Cancels the reading task, from any thread, as long as it reads."""

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._loop = asyncio.get_running_loop()
        self._reading = True

    def __call__(self) -> None:
        self._loop.call_soon_threadsafe(self._cancel)

    def over(self) -> None:
        """A cancellation that is on its way must not hit what comes after the stream."""
        self._reading = False

    def _cancel(self) -> None:
        if self._reading:
            self._task.cancel()


async def read_stream(
    provider: Provider,
    request: Request,
    *,
    lease: Lease,
    writer: EpisodeWriter,
    guard: Guard,
    timers: Timers,
    now: Callable[[], datetime],
) -> Streamed:
    """Read the stream to its end. Raises nothing that a provider or a person can cause.

    `now` says when a call came.
    """
    reading = _Reading(writer, guard, timers, now)
    stop = _Stop()
    stopped, error = lease.stoppable(stop), None
    if stopped is not None:
        return reading.ended(error, stopped, asked=False)
    guard.open()
    try:
        async with aclosing(provider.stream(request)) as events:
            async for event in events:
                reading.take(event)
        if reading.answer.finish is None:
            # An adapter says so itself; were one to forget it, the step would run again for ever.
            error = StreamTruncated(request.provider)
    except asyncio.CancelledError:
        stopped, error = _why(guard, lease)
    except ProviderFailure as failure:
        error = failure
    finally:
        stop.over()
        lease.unstoppable()
        guard.close()
    return reading.ended(error, stopped)


class _Reading:
    """What came so far, and when."""

    def __init__(
        self, writer: EpisodeWriter, guard: Guard, timers: Timers, now: Callable[[], datetime]
    ) -> None:
        self.answer = CollectedAnswer()
        self._writer = writer
        self._guard = guard
        self._timers = timers
        self._now = now
        self._opened = timers.now()
        self._first_part: float | None = None

    def take(self, bare: StreamEvent) -> None:
        """Take the next event, and show it."""
        event = _stamped(bare, self._now)
        self._guard.part()
        if isinstance(event, ReasoningDelta) and not event.text:
            return
        if self._first_part is None and not isinstance(event, StreamEnd):
            self._first_part = self._timers.now() - self._opened
        self.answer.add(event)
        _show(self._writer, event)

    def ended(
        self, error: ProviderFailure | None, stopped: CancelReason | None, *, asked: bool = True
    ) -> Streamed:
        """Return all of it."""
        return Streamed(
            answer=self.answer,
            asked=asked,
            seconds=self._timers.now() - self._opened,
            first_part_seconds=self._first_part,
            error=error,
            stopped=stopped,
        )


def _stamped(event: StreamEvent, now: Callable[[], datetime]) -> StreamEvent:
    match event:
        case CallDelta():
            return replace(event, created_at=now())
        case PartDone(part=ToolCallPart(created_at=None) as call):
            return PartDone(event.index, replace(call, created_at=now()))
        case _:
            return event


def _why(guard: Guard, lease: Lease) -> tuple[CancelReason | None, Preclassified | None]:
    """Say who cancelled: a guard, a person, or (re-raised) somebody that ends the loop."""
    task = asyncio.current_task()
    assert task is not None
    if guard.fired is not None:
        task.uncancel()
        return None, guard.failure()
    if lease.reason is None:
        raise asyncio.CancelledError
    task.uncancel()
    return lease.reason, None


def _show(writer: EpisodeWriter, event: StreamEvent) -> None:
    match event:
        case TextDelta(index=index, text=text):
            writer.add(index, Role.ASSISTANT, TextPart(text=text))
        case ReasoningDelta(index=index, text=text):
            writer.add(index, Role.ASSISTANT, ReasoningPart(text=text))
        case CallDelta(index=index):
            delta = StreamedCall(
                tool_call_id=event.tool_call_id,
                tool_name=event.tool_name,
                args_delta=event.args_delta,
            )
            writer.add(index, Role.ASSISTANT, delta)
        case PartDone(index=index, part=part):
            writer.done(index, Role.ASSISTANT, part)
        case StreamEnd():
            return
