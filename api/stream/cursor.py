"""Where a client stands in a chat's stream: the id of an event. Opaque to clients. Pure.

`{s}-{m}-{h}-{a}-{n}`: state, messages, parts. `s` is `B` when every state event up to the snapshot
B has gone out, and `B.S.x` while those of a newer read, at the snapshot S, go out; x names what of
that read has gone out, a letter each, and last `d` with the count of turn ends.
"""

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Self

from api.stream.errors import BadCursor
from shared.chats.model.lease import Episode

_LIMIT: Final = 2**63
_FORM: Final = re.compile(
    r"(?P<base>\d{1,19})(?:\.(?P<snapshot>\d{1,19})\.(?P<kinds>[a-z]*?)(?:d(?P<ends>\d{1,19}))?)?"
    r"-(?P<message>\d{1,19})-(?P<history>\d{1,19})-(?P<attempt>\d{1,19})-(?P<seq>\d{1,19})",
    re.ASCII,
)


class Kind(StrEnum):
    """What of a read has gone out, or is special about it; one letter each."""

    HISTORY_RESET = "h"
    QUEUE = "q"
    TITLE = "t"
    ERROR = "e"
    ACTION = "a"
    RETRY = "r"
    STATUS = "s"
    AWAITED = "u"  # the end of the turn that the client waits for, which was before the stream
    INITIAL = "i"  # the stream began here: all state is due, but the ends of turns only from B on


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How much of the read at a snapshot has gone out."""

    snapshot: int
    kinds: frozenset[Kind] = frozenset()
    turn_ends: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A place in a stream.

    `progress` is None between two reads. `seq` 0 says that nothing of the episode is shown; the
    episode after the one that was closed says that nothing of that one will be.
    """

    base: int
    progress: Progress | None = None
    message: int
    episode: Episode = field(default_factory=lambda: Episode(history_version=0))
    seq: int = 0

    def __str__(self) -> str:
        """Write the id."""
        episode = self.episode
        state = str(self.base) if self.progress is None else f"{self.base}.{_write(self.progress)}"
        return f"{state}-{self.message}-{episode.history_version}-{episode.attempt}-{self.seq}"

    @property
    def settled(self) -> int:
        """The snapshot up to which removed messages were taken back: the first thing of a read."""
        return self.base if self.progress is None else self.progress.snapshot

    def at(self, episode: Episode, seq: int = 0) -> Self:
        """Return the same place, elsewhere in the parts."""
        return replace(self, episode=episode, seq=seq)


def parse_cursor(text: str) -> Cursor:
    """Read an id or a cursor. Raise `BadVector`."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise BadCursor
    progress = None
    if match["snapshot"] is not None:
        kinds = frozenset(_kind(letter) for letter in match["kinds"])
        progress = Progress(
            snapshot=_number(match["snapshot"]),
            kinds=kinds,
            turn_ends=_number(match["ends"] or "0"),
        )
    cursor = Cursor(
        base=_number(match["base"]),
        progress=progress,
        message=_number(match["message"]),
        episode=Episode(
            history_version=_number(match["history"]), attempt=_number(match["attempt"])
        ),
        seq=_number(match["seq"]),
    )
    if cursor.settled < cursor.base:
        raise BadCursor
    return cursor


def order(episode: Episode) -> tuple[int, int]:
    """Return the key by which episodes of a chat follow each other."""
    return episode.history_version, episode.attempt


def after(episode: Episode) -> Episode:
    """Return the place behind an episode: nothing of it is wanted any more."""
    return replace(episode, attempt=episode.attempt + 1)


def _write(progress: Progress) -> str:
    letters = "".join(sorted(kind.value for kind in progress.kinds))
    ends = f"d{progress.turn_ends}" if progress.turn_ends else ""
    return f"{progress.snapshot}.{letters}{ends}"


def _kind(letter: str) -> Kind:
    try:
        return Kind(letter)
    except ValueError:
        raise BadCursor from None


def _number(text: str) -> int:
    number = int(text)
    if number >= _LIMIT:
        raise BadCursor
    return number
