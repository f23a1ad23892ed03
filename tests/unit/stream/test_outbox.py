import asyncio

from api.stream.outbox import End, Outbox


def test_all_that_waits_is_taken_at_once() -> None:
    async def scenario() -> None:
        outbox = Outbox(10)
        assert outbox.push([b"a", b"b"])
        outbox.put([b"c"])
        assert await outbox.take() == b"abc"
        assert outbox.empty

    asyncio.run(scenario())


def test_a_taker_waits_for_the_next_event() -> None:
    async def scenario() -> None:
        outbox = Outbox(10)
        taking = asyncio.create_task(outbox.take())
        await asyncio.sleep(0)
        assert not taking.done()
        outbox.push([b"a"])
        assert await taking == b"a"

    asyncio.run(scenario())


def test_what_waits_at_the_end_is_still_taken() -> None:
    async def scenario() -> None:
        outbox = Outbox(10)
        outbox.put([b"a"])
        outbox.finish(End.DONE)
        outbox.put([b"too late"])
        assert [await outbox.take(), await outbox.take()] == [b"a", None]
        assert not outbox.cut.is_set()

    asyncio.run(scenario())


def test_a_full_outbox_is_emptied_and_ends() -> None:
    async def scenario() -> None:
        outbox = Outbox(2)
        assert outbox.push([b"a", b"b"])
        assert not outbox.push([b"c"])
        assert outbox.end is End.CUT_OFF
        assert outbox.cut.is_set()
        assert await outbox.take() is None

    asyncio.run(scenario())


def test_the_first_reason_to_end_counts() -> None:
    async def scenario() -> None:
        outbox = Outbox(1)
        outbox.finish(End.DONE)
        outbox.finish(End.LEFT)
        assert outbox.end is End.DONE

    asyncio.run(scenario())


def test_a_waiting_taker_hears_of_the_end() -> None:
    async def scenario() -> None:
        outbox = Outbox(1)
        taking = asyncio.create_task(outbox.take())
        await asyncio.sleep(0)
        outbox.finish(End.LEFT)
        assert await taking is None

    asyncio.run(scenario())
