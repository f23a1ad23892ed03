"""The Redis commands that write an episode, and what their answers mean."""

from collections.abc import Iterator

from redis.exceptions import RedisError

from shared.events.connection import AsyncPipeline
from shared.events.episode import Flush, Stored
from shared.events.wire import ENTRY_FIELD, encode_batch
from shared.events.writer import EpisodeWriter


def add_flush(pipeline: AsyncPipeline, writer: EpisodeWriter, flush: Flush, ttl: int) -> None:
    """Append, publish, renew. The buffer first: who misses a part looks for it there."""
    for one in flush.append:
        _add_entry(pipeline, writer, one, create=one.entry.first_seq == 1)
    if flush.publish:
        note = encode_batch(writer.episode, [one.data for one in flush.publish])
        pipeline.execute_command("PUBLISH", writer.channel, note)
    pipeline.execute_command("EXPIRE", writer.key, ttl)


def read_flush(answers: Iterator[object], flush: Flush) -> bool:
    """Say whether the buffer took all; raise when the parts could not even be published."""
    taken = [accepted(next(answers)) for _ in flush.append]
    if flush.publish:
        published = next(answers)
        if isinstance(published, RedisError):
            raise published
    return accepted(next(answers)) and all(taken)


def add_rewrite(
    pipeline: AsyncPipeline, writer: EpisodeWriter, entries: tuple[Stored, ...], ttl: int
) -> None:
    """Make the buffer anew; wants a transaction, so that nobody reads half of it."""
    pipeline.execute_command("DEL", writer.key)
    for one in entries:
        _add_entry(pipeline, writer, one, create=True)
    pipeline.execute_command("EXPIRE", writer.key, ttl)


def add_discard(pipeline: AsyncPipeline, writer: EpisodeWriter) -> None:
    """Empty the buffer."""
    pipeline.execute_command("DEL", writer.key)


def add_renewal(pipeline: AsyncPipeline, writer: EpisodeWriter, ttl: int) -> None:
    """Keep an idle episode's buffer, and find out whether it is still there."""
    pipeline.execute_command("EXPIRE", writer.key, ttl)


def accepted(answer: object) -> bool:
    """Say whether a command did what it was sent for."""
    return bool(answer) and not isinstance(answer, RedisError)


def _add_entry(
    pipeline: AsyncPipeline, writer: EpisodeWriter, one: Stored, *, create: bool
) -> None:
    # Without `create` a stream that is gone is not begun in its middle: the answer is nil.
    creating = () if create else ("NOMKSTREAM",)
    number = f"{one.entry.seq}-0"
    pipeline.execute_command("XADD", writer.key, *creating, number, ENTRY_FIELD, one.data)
