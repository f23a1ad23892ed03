"""An episode that somebody else has ended: its worker can't show anything more."""

import asyncio
from collections.abc import Callable

import pytest

from shared.chats.model.ids import ChatId
from shared.chats.model.lease import Episode
from shared.chats.model.messages import Role
from shared.chats.model.parts import Part
from shared.events.merge import assemble
from shared.events.parts_buffer import read_episode, seal_episode
from shared.redis.connection import open_redis
from tests.integration.events.listening import listening
from tests.integration.events.test_flusher import EPISODE, flushing, text
from workers.streaming.writer import EpisodeEnding, EpisodeWriter

AFTER = Episode(history_version=3, attempt=2)

Late = Callable[[EpisodeWriter], None]


def _more(writer: EpisodeWriter) -> None:
    writer.add(0, Role.ASSISTANT, text("late"))


def _anew(writer: EpisodeWriter) -> None:
    """As after Redis was away: all of it is written again."""
    writer.add(0, Role.ASSISTANT, text("late"))
    writer.state.lost_buffer()


def _many(writer: EpisodeWriter) -> None:
    for number in range(1, 50):
        writer.add(number, Role.ASSISTANT, text("late"))


def _and_no_more(writer: EpisodeWriter) -> None:
    writer.add(0, Role.ASSISTANT, text("late"))
    writer.close()


def _seal(url: str, chat_id: ChatId) -> tuple[Part, ...]:
    with open_redis(url) as redis:
        return seal_episode(redis, chat_id, EPISODE)


@pytest.mark.parametrize("say", [_more, _anew, _many, _and_no_more])
@pytest.mark.parametrize("before", [["a", "b"], ["a"], []], ids=["two", "one", "nothing"])
def test_a_part_that_comes_too_late_is_neither_kept_nor_shown(
    redis_url: str, before: list[str], say: Late
) -> None:
    async def scenario() -> None:
        async with flushing(redis_url) as bench, listening(redis_url, bench.chat_id) as heard:
            writer = bench.flusher.open(bench.chat_id, EPISODE)
            for value in before:
                writer.add(0, Role.ASSISTANT, text(value))
                assert await writer.flush(timeout=5)
            said = await asyncio.to_thread(_seal, redis_url, bench.chat_id)
            assert said == ((text("".join(before)),) if before else ())
            say(writer)
            assert not await writer.flush(timeout=5)
            assert writer.ending is EpisodeEnding.SEALED
            after = bench.flusher.open(bench.chat_id, AFTER)
            after.add(0, Role.ASSISTANT, text("after"))
            await heard.until(
                lambda one: any(entry.delta == text("after") for entry in one.entries)
            )
            assert [one.delta for one in heard.entries] == [text(one) for one in [*before, "after"]]
            assert assemble(await read_episode(bench.redis, bench.chat_id, EPISODE)) == said

    asyncio.run(scenario())


def test_a_sealed_episode_takes_nothing_more_and_hides_no_other(redis_url: str) -> None:
    async def scenario() -> None:
        async with flushing(redis_url) as bench:
            writer = bench.flusher.open(bench.chat_id, EPISODE)
            other = bench.flusher.open(bench.chat_id, AFTER)
            await asyncio.to_thread(_seal, redis_url, bench.chat_id)
            for one in (writer, other):
                one.add(0, Role.ASSISTANT, text("a"))
            assert await other.flush(timeout=5)
            assert not await writer.flush(timeout=5)
            writer.add(0, Role.ASSISTANT, text("b"))
            writer.discard()
            assert not await writer.flush(timeout=5)
            assert writer.ending is EpisodeEnding.SEALED
            assert assemble(await read_episode(bench.redis, bench.chat_id, AFTER)) == (text("a"),)

    asyncio.run(scenario())
