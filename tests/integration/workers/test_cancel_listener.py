"""A hint on Redis stops a step at once; one that can't be read stops nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from redis.asyncio import Redis as AsyncRedis
from uuid_utils.compat import uuid7

from shared.chats.machine.effects import Cancel
from shared.chats.model.ids import ChatId, LeaseId, WorkerId
from shared.events.channels import worker_channel
from shared.events.publisher import Publisher
from shared.redis.connection import open_async_redis, open_redis
from workers.leases.cancel_listener import CancelListener
from workers.leases.registry import CancelReason, Lease, Leases

SECONDS = 20.0
ME, ANOTHER = WorkerId(uuid7()), WorkerId(uuid7())


def _run(redis_url: str, test: Callable[["_Ears"], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(SECONDS):
            ears = _Ears(redis_url)
            try:
                ears.listener.start()
                ears.listener.listen(ME)
                await ears.until_heard(ME)
                await test(ears)
            finally:
                await ears.listener.stop()
                await ears.redis.aclose()

    asyncio.run(run())


class _Ears:
    def __init__(self, redis_url: str) -> None:
        self.url = redis_url
        self.leases = Leases(slots=5)
        self.redis: AsyncRedis = open_async_redis(redis_url)
        log = structlog.stdlib.get_logger()
        self.listener = CancelListener(redis_url, self.leases, log)

    async def until_heard(self, worker_id: WorkerId) -> None:
        """Return once somebody listens on the channel."""
        while not await self.redis.publish(worker_channel(worker_id), b"nothing to read"):  # pyright: ignore[reportUnknownMemberType]  # untyped
            await asyncio.sleep(0)

    def open(self) -> tuple[Lease, asyncio.Event]:
        lease = self.leases.open(ChatId(uuid7()), LeaseId(uuid7()))
        stopped = asyncio.Event()
        lease.stoppable(stopped.set)
        return lease, stopped

    def publish(self, worker_id: WorkerId, lease: Lease, reason: str) -> None:
        with open_redis(self.url) as redis:
            cancel = Cancel(
                worker_id=worker_id, chat_id=lease.chat_id, lease_id=lease.id, reason=reason
            )
            Publisher(redis).publish([cancel])


def test_a_hint_stops_the_step_for_the_reason_that_it_gives(redis_url: str) -> None:
    async def test(ears: _Ears) -> None:
        for reason in (CancelReason.INTERRUPTED, CancelReason.FENCED):
            lease, stopped = ears.open()
            ears.publish(ME, lease, reason.value)
            await stopped.wait()
            assert lease.reason is reason

    _run(redis_url, test)


def test_hints_for_others_and_hints_that_can_not_be_read_stop_nothing(redis_url: str) -> None:
    async def test(ears: _Ears) -> None:
        mine, _ = ears.open()
        last, stopped = ears.open()
        ears.publish(ANOTHER, mine, "interrupted")
        ears.publish(ME, mine, "for no reason")
        await ears.redis.publish(worker_channel(ME), b"{}")  # pyright: ignore[reportUnknownMemberType]  # untyped
        ears.leases.close(mine)
        ears.publish(ME, mine, "interrupted")
        ears.publish(ME, last, "interrupted")
        await stopped.wait()
        assert mine.reason is None

    _run(redis_url, test)


def test_after_a_change_of_id_only_the_new_channel_is_heard(redis_url: str) -> None:
    async def test(ears: _Ears) -> None:
        lease, stopped = ears.open()
        ears.listener.listen(ANOTHER)
        await ears.until_heard(ANOTHER)
        ears.publish(ME, lease, "fenced")
        ears.publish(ANOTHER, lease, "interrupted")
        await stopped.wait()
        assert lease.reason is CancelReason.INTERRUPTED

    _run(redis_url, test)


def test_a_broken_connection_is_made_again(redis_url: str) -> None:
    async def test(ears: _Ears) -> None:
        await ears.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # pyright: ignore[reportUnknownMemberType]  # untyped
        await ears.until_heard(ME)
        lease, stopped = ears.open()
        # Hints may be lost as long as the connection is made anew.
        while not stopped.is_set():
            ears.publish(ME, lease, "interrupted")
            await asyncio.sleep(0)

    _run(redis_url, test)


def test_listening_ends_while_redis_is_away() -> None:
    async def run() -> None:
        log = structlog.stdlib.get_logger()
        listener = CancelListener("redis://127.0.0.1:1/0", Leases(slots=1), log)
        listener.start()
        listener.listen(ME)
        with suppress(asyncio.TimeoutError):
            await asyncio.sleep(0)
        await listener.stop()

    asyncio.run(asyncio.wait_for(run(), SECONDS))
