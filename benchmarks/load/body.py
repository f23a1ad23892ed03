"""Finds the stamps of the fake model in the bytes of an answer. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.load.connection import Read

_STAMP: Final = re.compile(rb"~(\d+)")
_MESSAGE: Final = b"event: message\n"
_EVENT: Final = b"event: "


@dataclass(slots=True)
class Heard:
    """When each stamp was first heard, in the order of hearing.

    `pieces`: in a piece of the answer, ours or the model's own. `messages`: in a whole message,
    which is where a client finds what was said before it came.
    """

    pieces: dict[int, int] = field(default_factory=dict[int, int])
    messages: dict[int, int] = field(default_factory=dict[int, int])
    events: int = 0

    @property
    def first_at(self) -> int | None:
        """When anything was heard of the answer."""
        return min((*self.pieces.values(), *self.messages.values()), default=None)


def listen(reads: Sequence[Read]) -> Heard:
    """Read a whole answer."""
    heard = Heard()
    for at, event in _events(reads):
        heard.events += _EVENT in event
        place = heard.messages if _MESSAGE in event else heard.pieces
        for found in _STAMP.findall(event):
            place.setdefault(int(found), at)
    return heard


def _events(reads: Sequence[Read]) -> Iterator[tuple[int, bytes]]:
    """Give each event with the time when its last byte came; what frames the chunks stays in."""
    rest = b""
    for at, data in reads:
        *whole, rest = (rest + data).split(b"\n\n")
        for event in whole:
            yield at, event
