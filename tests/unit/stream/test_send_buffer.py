import asyncio

from api.stream.send_buffer import EndReason, SendBuffer


def test_all_that_waits_is_taken_at_once() -> None:
    async def scenario() -> None:
        send_buffer = SendBuffer(10)
        assert send_buffer.push([b"a", b"b"])
        send_buffer.put([b"c"])
        assert await send_buffer.take() == b"abc"
        assert send_buffer.empty

    asyncio.run(scenario())


def test_a_taker_waits_for_the_next_event() -> None:
    async def scenario() -> None:
        send_buffer = SendBuffer(10)
        taking = asyncio.create_task(send_buffer.take())
        await asyncio.sleep(0)
        assert not taking.done()
        send_buffer.push([b"a"])
        assert await taking == b"a"

    asyncio.run(scenario())


def test_what_waits_at_the_end_is_still_taken() -> None:
    async def scenario() -> None:
        send_buffer = SendBuffer(10)
        send_buffer.put([b"a"])
        send_buffer.finish(EndReason.DONE)
        send_buffer.put([b"too late"])
        assert [await send_buffer.take(), await send_buffer.take()] == [b"a", None]
        assert not send_buffer.cut.is_set()

    asyncio.run(scenario())


def test_a_full_outbox_is_emptied_and_ends() -> None:
    async def scenario() -> None:
        send_buffer = SendBuffer(2)
        assert send_buffer.push([b"a", b"b"])
        assert not send_buffer.push([b"c"])
        assert send_buffer.end is EndReason.CUT_OFF
        assert send_buffer.cut.is_set()
        assert await send_buffer.take() is None

    asyncio.run(scenario())


def test_the_first_reason_to_end_counts() -> None:
    async def scenario() -> None:
        send_buffer = SendBuffer(1)
        send_buffer.finish(EndReason.DONE)
        send_buffer.finish(EndReason.LEFT)
        assert send_buffer.end is EndReason.DONE

    asyncio.run(scenario())


def test_a_waiting_taker_hears_of_the_end() -> None:
    async def scenario() -> None:
        send_buffer = SendBuffer(1)
        taking = asyncio.create_task(send_buffer.take())
        await asyncio.sleep(0)
        send_buffer.finish(EndReason.LEFT)
        assert await taking is None

    asyncio.run(scenario())
