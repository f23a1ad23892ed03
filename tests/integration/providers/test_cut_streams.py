"""A good stream cut off at any byte: a failure or the whole answer, never a shorter success."""

import asyncio
from collections.abc import Sequence

import pytest
from pydantic import JsonValue

from shared.failures.kinds import StreamTruncated, TransportFailed
from tests.fakes.process import FakeModels
from tests.integration.providers.playing import Speaker, collect, opened, parts_of, script
from tests.unit.providers.prompts import prompt
from workers.providers.protocol import Provider, StreamEnd, StreamEvent

STEPS: Sequence[dict[str, JsonValue]] = (
    {"reasoning": "hm"},
    {"text": "grüße"},
    {"call": {"name": "add", "args": {"x": 1}, "id": "c1"}},
)
AT_ONCE = 16

END_BYTES = 100
STRIDES = {"clean": 1, "abrupt": 7, "reset": 7}
"""What is read before the cut is the same in all of them; a reset may also come early."""


async def attempt(provider: Provider, message: str) -> list[StreamEvent] | Exception:
    try:
        return await collect(provider, prompt(message))
    except (StreamTruncated, TransportFailed) as error:
        return error


def cut_everywhere(
    speaker: Speaker, close: str, size: int
) -> Sequence[list[StreamEvent] | Exception]:
    async def run() -> Sequence[list[StreamEvent] | Exception]:
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(provider: Provider, at: int) -> list[StreamEvent] | Exception:
            async with slots:
                wire: JsonValue = {"cut_at": at, "close": close}
                return await attempt(provider, script(*STEPS, wire=wire))

        async with opened(speaker.make()) as provider:
            return await asyncio.gather(
                *(one(provider, at) for at in range(size + 1) if _is_due(at, size, close))
            )

    return asyncio.run(run())


def _is_due(at: int, size: int, close: str) -> bool:
    """Each byte at the end, where whole answers are."""
    return at % STRIDES[close] == 0 or at > size - END_BYTES


@pytest.mark.parametrize("close", ["clean", "abrupt", "reset"])
def test_a_stream_cut_anywhere_is_whole_or_a_failure(
    speaker: Speaker, models: FakeModels, close: str
) -> None:
    whole = speaker.answer(script(*STEPS))
    size = models.requests()[0].sent
    outcomes = cut_everywhere(speaker, close, size)
    answers = [outcome for outcome in outcomes if isinstance(outcome, list)]
    failures = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert len(failures) > size / 2 / STRIDES[close]
    assert answers
    for events in answers:
        assert isinstance(events[-1], StreamEnd)
        assert parts_of(events) == parts_of(whole)
        assert events[:-1] == whole[:-1]
    if close != "reset":  # a reset may overtake what was sent before it
        kinds = [isinstance(outcome, list) for outcome in outcomes]
        assert kinds == sorted(kinds)  # every piece longer than a whole answer is one
    expected = StreamTruncated if close == "clean" else TransportFailed
    assert {type(failure) for failure in failures} == {expected}
