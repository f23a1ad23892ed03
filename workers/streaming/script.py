"""The Redis commands that write an episode, and what their answers mean."""

from collections.abc import Iterator
from enum import Enum, auto
from hashlib import sha1
from typing import Final

from redis.exceptions import RedisError

from shared.events.wire import ENTRY_FIELD, SEAL_NUMBER, encode_batch
from shared.redis.connection import AsyncPipeline
from workers.streaming.episode import Flush
from workers.streaming.writer import EpisodeWriter


class Taken(Enum):
    """What became of a flush."""

    WHOLE = auto()  # it is published, and the buffer has all of it
    PUBLISHED = auto()  # the buffer is gone, or refused some of it
    SEALED = auto()  # somebody else has ended the episode: nothing went out


_ANSWERS: Final = {1: Taken.WHOLE, 0: Taken.PUBLISHED, -1: Taken.SEALED}

# In one piece, so that no seal comes between its look and what it sends. The buffer goes before
# what is published: who misses a part looks for it there. An entry that is not the first does not
# begin a stream that is gone. A buffer is only deleted if Redis takes what replaces it.
_FLUSH: Final = b"""
local key, seal, field, ttl, channel, note = KEYS[1], unpack(ARGV, 1, 5)
local anew, first = ARGV[6] == '1', 7
if #redis.call('XRANGE', key, seal, seal) > 0 then return -1 end
local function append(at, create)
  local said
  if create then
    said = redis.pcall('XADD', key, ARGV[at], field, ARGV[at + 1])
  else
    said = redis.pcall('XADD', key, 'NOMKSTREAM', ARGV[at], field, ARGV[at + 1])
  end
  if type(said) == 'table' then return said.err end
  return not said and 'gone'
end
local refusal = anew and append(first, true)
local whole = not refusal or string.find(refusal, 'equal or smaller', 1, true)
if whole then
  if anew then redis.call('DEL', key) end
  for at = first, #ARGV, 2 do
    if append(at, anew or ARGV[at] == '1-0') then whole = false end
  end
end
if note ~= '' then redis.call('PUBLISH', channel, note) end
return redis.pcall('EXPIRE', key, ttl) == 1 and whole and 1 or 0
"""

_FLUSH_SHA: Final = sha1(_FLUSH, usedforsecurity=False).hexdigest()


def add_flush(
    pipeline: AsyncPipeline, writer: EpisodeWriter, flush: Flush, ttl: int, *, known: bool
) -> None:
    """Append or make anew, publish, renew; or nothing of it if the episode is sealed.

    `known`: a flush went before it in this pipeline, so that the server has the script.
    """
    entries = flush.append if flush.rewrite is None else flush.rewrite
    note = encode_batch(writer.episode, [one.data for one in flush.publish])
    script: tuple[str, str | bytes] = ("EVALSHA", _FLUSH_SHA) if known else ("EVAL", _FLUSH)
    pipeline.execute_command(
        *script,
        1,
        writer.key,
        SEAL_NUMBER,
        ENTRY_FIELD,
        ttl,
        writer.channel,
        note if flush.publish else b"",
        int(flush.rewrite is not None),
        *(word for one in entries for word in (f"{one.entry.seq}-0", one.data)),
    )


def read_flush(answers: Iterator[object]) -> Taken:
    """Say what became of it; raise when the parts could not even be published."""
    answer = next(answers)
    if isinstance(answer, RedisError):
        raise answer
    assert isinstance(answer, int)
    return _ANSWERS[answer]


def add_discard(pipeline: AsyncPipeline, writer: EpisodeWriter) -> None:
    """Empty the buffer."""
    pipeline.execute_command("DEL", writer.key)


def add_renewal(pipeline: AsyncPipeline, writer: EpisodeWriter, ttl: int) -> None:
    """Keep an idle episode's buffer, and find out whether it is still there."""
    pipeline.execute_command("EXPIRE", writer.key, ttl)


def accepted(answer: object) -> bool:
    """Say whether a command did what it was sent for."""
    return bool(answer) and not isinstance(answer, RedisError)
