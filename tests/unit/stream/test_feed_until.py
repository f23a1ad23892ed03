"""How a watch ends a stream that somebody wants until a turn or the chat has come to rest."""

from collections.abc import Callable

import pytest

from api.stream.client import StreamRequest
from api.stream.cursor import parse_cursor
from api.stream.errors import TurnUnknown
from api.stream.send_buffer import EndReason
from api.stream.stop_condition import Until
from shared.chats.model.ids import TurnId
from tests.unit.stream.memory_chat import MemoryChat
from tests.unit.stream.process import anybody
from tests.unit.stream.reading import Reading
from tests.unit.stream.watching import names, run, speaking, watching


async def ends(
    world: MemoryChat, until: Until, move: Callable[[MemoryChat], None]
) -> tuple[list[str], EndReason]:
    """Return the last event before a stream ends, and why it ended."""
    request = StreamRequest(may_read=anybody, until=until)
    process, client, _ = await watching(world, request)
    assert client.send_buffer.end is None
    move(world)
    events = await process.settle(client)
    assert client.send_buffer.end is not None
    return names(events), client.send_buffer.end


def test_until_idle_ends_behind_the_status_that_says_so() -> None:
    async def scenario() -> None:
        events, end = await ends(speaking(), Until(), MemoryChat.finish)
        assert events == ["message", "turn_end", "status"]
        assert end is EndReason.DONE

    run(scenario)


def test_until_a_turn_ends_behind_its_end() -> None:
    async def scenario() -> None:
        world = speaking()
        until = Until(turn_id=world.chat.current_turn_id)
        events, end = await ends(world, until, MemoryChat.finish)
        assert events == ["message", "turn_end"]
        assert end is EndReason.DONE

    run(scenario)


def test_until_a_turn_ends_behind_its_pause() -> None:
    async def scenario() -> None:
        world = speaking()
        until = Until(turn_id=world.chat.current_turn_id)
        events, _ = await ends(world, until, MemoryChat.require_action)
        assert events == ["message", "action_required", "turn_end"]

    run(scenario)


@pytest.mark.parametrize("idle", [True, False])
def test_a_stream_whose_end_has_come_already_brings_what_is_new_and_ends(idle: bool) -> None:
    async def scenario() -> None:
        world = speaking()
        turn_id = world.chat.current_turn_id
        world.finish()
        until = Until() if idle else Until(turn_id=turn_id)
        _, client, reading = await watching(world, StreamRequest(may_read=anybody, until=until))
        assert client.send_buffer.end is EndReason.DONE
        assert reading.messages == world.visible
        assert (str(turn_id) in reading.turns) is not idle
        _, again, nothing = await watching(
            world, StreamRequest(may_read=anybody, until=until, place=parse_cursor(reading.last_id))
        )
        assert again.send_buffer.end is EndReason.DONE
        assert nothing == Reading()

    run(scenario)


def test_a_turn_that_the_chat_does_not_have_is_refused() -> None:
    async def scenario() -> None:
        until = Until(turn_id=TurnId(MemoryChat().chat.id))
        _, client, _ = await watching(MemoryChat(), StreamRequest(may_read=anybody, until=until))
        with pytest.raises(TurnUnknown):
            await client.opened

    run(scenario)


def test_the_stream_of_a_turn_begins_with_its_own_message() -> None:
    async def scenario() -> None:
        world = MemoryChat()
        world.begin()
        world.finish()
        world.send()
        own = world.visible[-1]
        until = Until(turn_id=world.chat.current_turn_id)
        request = StreamRequest(may_read=anybody, history=None, until=until)
        process, client, reading = await watching(world, request)
        assert reading.messages == [own]
        world.begin()
        world.finish()
        await process.read_all(client, reading)
        assert reading.messages == world.visible[-2:]
        assert client.send_buffer.end is EndReason.DONE

    run(scenario)


def test_the_stream_of_a_queued_turn_begins_with_its_message_when_its_time_comes() -> None:
    async def scenario() -> None:
        world = speaking()
        world.send()
        until = Until(turn_id=world.queue[0].turn_id)
        request = StreamRequest(may_read=anybody, history=None, until=until)
        process, client, reading = await watching(world, request)
        assert reading.messages == []
        assert reading.queue == [world.queue[0].id]
        world.finish()
        world.begin()
        world.finish()
        await process.read_all(client, reading)
        assert reading.messages[-2:] == world.visible[-2:]
        assert client.send_buffer.end is EndReason.DONE

    run(scenario)
