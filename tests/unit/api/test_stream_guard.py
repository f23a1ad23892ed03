"""A stream ends with the key that opened it."""

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy.exc import TimeoutError

from api.auth.errors import Unauthenticated
from api.auth.stream_guard import RECHECK_SECONDS, GuardedEvents


class Source:
    """Has nothing to say, and ends when it is closed."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def take(self) -> bytes | None:
        await self.ended.wait()
        return None

    async def cut_off(self) -> None:
        await self.ended.wait()

    def close(self) -> None:
        self.ended.set()


async def _no_time(seconds: float) -> None:
    assert seconds == RECHECK_SECONDS
    await asyncio.sleep(0)


def _answers(*errors: Exception | None) -> Callable[[], Awaitable[None]]:
    left = list(errors)

    async def confirm() -> None:
        error = left.pop(0)
        if error is not None:
            raise error

    return confirm


def test_it_ends_when_the_key_is_revoked() -> None:
    async def run() -> None:
        source = Source()
        confirm = _answers(None, None, Unauthenticated())
        guarded = GuardedEvents(source, confirm, sleep=_no_time)
        await asyncio.wait_for(guarded.cut_off(), 5)
        assert await guarded.take() is None

    asyncio.run(run())


def test_an_outage_of_the_database_ends_nothing() -> None:
    async def run() -> None:
        source = Source()
        confirm = _answers(TimeoutError(), TimeoutError(), Unauthenticated())
        await asyncio.wait_for(GuardedEvents(source, confirm, sleep=_no_time).cut_off(), 5)
        assert source.ended.is_set()

    asyncio.run(run())


def test_nobody_asks_any_more_once_the_source_has_ended() -> None:
    async def run() -> None:
        source = Source()
        asked = 0

        async def confirm() -> None:
            nonlocal asked
            asked += 1

        guarded = GuardedEvents(source, confirm, sleep=_no_time)
        waiting = asyncio.ensure_future(guarded.cut_off())
        await asyncio.sleep(0)
        guarded.close()
        await waiting
        await asyncio.sleep(0)
        before = asked
        for _ in range(5):
            await asyncio.sleep(0)
        assert asked == before

    asyncio.run(run())
