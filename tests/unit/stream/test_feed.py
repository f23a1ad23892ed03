"""What a watch does that whole histories don't show: who is read for, refused, cut off, ended."""

from dataclasses import replace

import pytest

from api.stream.client import GAP_DELAYS, StreamRequest
from api.stream.cursor import parse_cursor
from api.stream.errors import BadCursor
from api.stream.send_buffer import EndReason
from shared.chats.model.errors import ChatNotFound
from shared.chats.model.lease import Episode
from shared.events.types import ChangedHint, PartBatch
from tests.unit.stream.memory_chat import MemoryChat
from tests.unit.stream.process import Process, anybody, take
from tests.unit.stream.reading import Reading
from tests.unit.stream.watching import names, run, speaking, watching


def test_a_part_of_an_older_attempt_goes_nowhere() -> None:
    async def scenario() -> None:
        world = speaking()
        zombie = world.chat.episode
        process, client, _ = await watching(world)
        world.lose()
        world.begin()
        await process.settle(client)
        world.notes.append(PartBatch(episode=zombie, entries=tuple(speaking(9).buffer)))
        before = process.reads
        assert await process.settle(client) == []
        assert process.reads == before

    run(scenario)


def test_a_part_of_an_attempt_that_is_over_goes_nowhere() -> None:
    async def scenario() -> None:
        world = speaking()
        process, client, _ = await watching(world)
        world.lose()
        await process.settle(client)
        later = replace(world.buffers[world.chat.episode][-1], seq=2, first_seq=2)
        world.notes.append(PartBatch(episode=world.chat.episode, entries=(later,)))
        assert await process.settle(client) == []

    run(scenario)


def test_a_part_of_a_newer_attempt_waits_for_the_database() -> None:
    async def scenario() -> None:
        world = MemoryChat()
        process, client, reading = await watching(world)
        world.begin()
        world.say()
        world.notes = [note for note in world.notes if isinstance(note, PartBatch)]
        process.heard = 0
        process.hear()
        assert await take(client) == []
        events = await process.settle(client)
        assert names(events) == ["status", "message_part"]
        assert reading.status == "pending"

    run(scenario)


def test_a_part_that_nobody_began_is_looked_up_once_and_not_for_ever() -> None:
    async def scenario() -> None:
        world = speaking()
        process, client, _ = await watching(world)
        future = Episode(history_version=10**6)
        world.notes.append(PartBatch(episode=future, entries=tuple(world.buffer)))
        before = process.reads
        assert await process.settle(client) == []
        assert process.reads == before + 1

    run(scenario)


def test_a_hint_of_what_never_came_is_looked_up_once_and_not_for_ever() -> None:
    async def scenario() -> None:
        world = MemoryChat()
        process, client, _ = await watching(world)
        world.notes.append(ChangedHint(snapshot_version=10**6))
        before = process.reads
        assert await process.settle(client) == []
        assert process.reads == before + 1
        world.entitle()
        assert names(await process.settle(client)) == ["title"]

    run(scenario)


def test_a_hint_of_what_was_read_already_is_not_read_again() -> None:
    async def scenario() -> None:
        world = MemoryChat()
        process, client, _ = await watching(world)
        before = process.reads
        world.notes.append(ChangedHint(snapshot_version=world.chat.snapshot_version))
        assert await process.settle(client) == []
        assert process.reads == before

    run(scenario)


def test_readers_at_the_same_place_share_one_read() -> None:
    async def scenario() -> None:
        world = MemoryChat()
        process = Process(world)
        clients = [process.join() for _ in range(50)]
        await process.settle(clients[0])
        for client in clients[1:]:
            await take(client)
        assert process.reads == 1
        world.entitle()
        world.send()
        await process.settle(clients[0])
        assert process.reads == 2
        assert {tuple(names(await take(client))) for client in clients[1:]} == {
            ("queue_update", "title")
        }

    run(scenario)


def test_a_missing_part_is_looked_for_in_the_buffer() -> None:
    async def scenario() -> None:
        world = speaking()
        process, client, reading = await watching(world)
        world.say()
        process.heard += 1  # one note is lost
        world.say()
        await process.read_all(client, reading)
        assert "".join(reading.preview[index] for index in sorted(reading.preview)).count(" ") == 3

    run(scenario)


def test_a_part_that_is_nowhere_is_looked_for_a_while_and_then_given_up() -> None:
    async def scenario() -> None:
        world = speaking()
        process, client, reading = await watching(world)
        # Neither the second part nor the buffer behind the first one is anywhere.
        third = replace(world.buffer[0], seq=3, first_seq=3)
        world.notes.append(PartBatch(episode=world.chat.episode, entries=(third,)))
        before = process.reads
        events = await process.settle(client)
        assert names(events) == ["preview_reset"]
        assert process.reads == before + len(GAP_DELAYS)
        assert process.clock.now == pytest.approx(sum(GAP_DELAYS))
        # What follows of this attempt is of no use; the message is.
        world.notes.append(
            PartBatch(
                episode=world.chat.episode,
                entries=(replace(world.buffer[0], seq=4, first_seq=4),),
            )
        )
        assert await process.settle(client) == []
        world.finish()
        events += await process.settle(client)
        for event in events:
            reading.take(event)
        assert reading.messages == world.visible

    run(scenario)


def test_a_buffer_that_is_made_anew_in_time_fills_the_gap() -> None:
    async def scenario() -> None:
        world = speaking()
        process, client, reading = await watching(world)
        whole = world.buffer
        world.buffers[world.chat.episode] = []
        process.heard += 1
        for seq in (2, 3):
            whole.append(replace(whole[0], seq=seq, first_seq=seq))
        late = PartBatch(episode=world.chat.episode, entries=(whole[2],))
        world.notes.append(late)
        process.heard = len(world.notes) - 1
        process.hear()
        process.start_read()
        process.end_read()  # the buffer is still empty
        assert await take(client) == []
        world.buffers[world.chat.episode] = whole
        await process.read_all(client, reading)
        assert reading.seq == 3

    run(scenario)


def test_live_parts_are_not_held_up_by_another_clients_gap() -> None:
    async def scenario() -> None:
        world = speaking()
        process, client, _ = await watching(world)
        behind = process.join()
        process.hear()
        world.say()
        process.hear()
        assert names(await take(client)) == ["message_part"]
        assert names(await process.settle(behind))[-2:] == ["message_part", "status"]

    run(scenario)


def test_a_client_that_does_not_keep_up_is_cut_off_and_counted() -> None:
    async def scenario() -> None:
        world = speaking()
        process = Process(world)
        slow, quick = process.join(limit=3), process.join()
        await process.settle(quick)
        await take(slow)
        for _ in range(4):
            world.say()
            await process.settle(quick)
        assert slow.send_buffer.end is EndReason.CUT_OFF
        assert await slow.send_buffer.take() is None
        assert process.registry.get_sample_value("stepwell_stream_cut_off_total") == 1
        assert list(process.watch.clients) == [quick]

    run(scenario)


def test_a_long_history_does_not_cut_off_who_asks_for_it() -> None:
    async def scenario() -> None:
        world = MemoryChat()
        for _ in range(10):
            world.begin()
            world.finish()
            world.send()
        process = Process(world)
        client, reading = process.join(limit=4), Reading()
        await process.read_all(client, reading)
        assert reading.messages == world.visible
        assert client.send_buffer.end is None

    run(scenario)


def test_a_deleted_chat_ends_its_streams() -> None:
    async def scenario() -> None:
        process, client, reading = await watching(MemoryChat())
        late = process.join()
        process.watch.compare(None)
        read = process.watch.next_read()
        assert read is not None
        process.watch.apply(read, None, ())
        for event in await take(client):
            reading.take(event)
        assert reading.deleted
        assert client.send_buffer.end is EndReason.DONE
        with pytest.raises(ChatNotFound):
            await late.opened
        assert not process.watch.clients

    run(scenario)


def test_a_chat_that_the_caller_may_not_read_does_not_exist() -> None:
    async def scenario() -> None:
        process, client, _ = await watching(MemoryChat(), StreamRequest(may_read=lambda _: False))
        with pytest.raises(ChatNotFound):
            await client.opened
        assert await client.send_buffer.take() is None
        assert not process.watch.clients

    run(scenario)


def test_a_place_in_another_chat_is_refused() -> None:
    async def scenario() -> None:
        place = parse_cursor("999-1-1-0-0")
        _, client, _ = await watching(MemoryChat(), StreamRequest(may_read=anybody, place=place))
        with pytest.raises(BadCursor):
            await client.opened
        assert await client.send_buffer.take() is None

    run(scenario)


def test_a_failed_read_refuses_who_joins_and_is_repeated_for_the_others() -> None:
    async def scenario() -> None:
        world = MemoryChat()
        process, client, _ = await watching(world)
        world.entitle()
        process.hear()
        joining = process.join()
        while (read := process.watch.next_read()) is not None:
            process.watch.fail(read, ConnectionError(), retry_in=5)
        with pytest.raises(ConnectionError):
            await joining.opened
        assert process.watch.next_read_in() == 5
        assert names(await process.settle(client)) == ["title"]
        assert process.clock.now == 5

    run(scenario)
