"""What a worker keeps of an episode until its step settles: numbers, coalescing, the cap. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from shared.chats.model.messages import Role
from shared.chats.model.parts import ReasoningPart, TextPart
from shared.events.merge import join, joinable, merge
from shared.events.types import Delta, PartEntry, StreamedCall
from shared.events.wire import encode_entry

BATCH_BYTES = 2048
"""Deltas of one part are put together up to this size."""

_ROOM = 0.9
"""Merging again pays only if the last time left a tenth of the room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """How much of an episode its buffer takes, and how much of that lies here unmerged."""

    entries: int = 10_000
    bytes: int = 1024 * 1024
    loose: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedEntry:
    """An entry and its bytes."""

    entry: PartEntry
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Flush:
    """What is to be written for an episode now, which ends with the number `last`.

    With `rewrite` the buffer is made anew of these entries, else `append` goes behind what is
    there. Then `publish` goes out.
    """

    rewrite: tuple[EncodedEntry, ...] | None
    append: tuple[EncodedEntry, ...]
    publish: tuple[EncodedEntry, ...]
    last: int


@dataclass(slots=True, kw_only=True)
class _GrowingEntry:
    """An entry that nobody has seen yet, so that it may still grow."""

    seq: int
    index: int
    role: Role
    deltas: list[Delta]
    size: int


@dataclass(slots=True)
class EpisodeState:
    """The parts of one episode, from its first to its last.

    `add` numbers them, `take` gives out what is new, `sent` and `failed` say what became of it.
    What was given out once never changes any more, it is only merged with its neighbours: here as
    soon as it was published, for a delta of ten bytes takes 400 when it is kept by itself, and in
    the buffer when that is made anew.
    """

    cap: Cap
    last: int = 0
    published: int = 0
    dropped: int = 0
    pending_bytes: int = 0
    _attempted: int = 0
    _bytes: int = 0
    _entries: int = 0
    _folded: int = 0
    _rewrite: bool = False
    _full: bool = False
    _tight: bool = False
    _pending: list[_GrowingEntry] = field(default_factory=list[_GrowingEntry])
    _stored: list[EncodedEntry] = field(default_factory=list[EncodedEntry])
    _unpublished: list[EncodedEntry] = field(default_factory=list[EncodedEntry])

    @property
    def waiting(self) -> bool:
        """Something was not published yet."""
        return bool(self._pending or self._unpublished)

    @property
    def broken(self) -> bool:
        """The buffer does not hold what it should and has to be made anew."""
        return self._rewrite

    @property
    def buffered(self) -> bool:
        """There should be a buffer."""
        return bool(self._stored) and self._attempted > 0

    @property
    def urgent(self) -> bool:
        """What waits should not wait for the next tick: it is the first, or it is enough."""
        return self.pending_bytes >= BATCH_BYTES or self._attempted == 0

    def add(self, index: int, role: Role, delta: Delta) -> None:
        """Take the next piece of the part at `index`."""
        size = _size(delta)
        self.pending_bytes += size
        growing = self._pending[-1] if self._pending else None
        if growing is not None and _fits(growing, index, role, delta):
            growing.deltas.append(delta)
            growing.size += size
            return
        self.last += 1
        self._pending.append(
            _GrowingEntry(seq=self.last, index=index, role=role, deltas=[delta], size=size)
        )

    def take(self, *, rewrite: bool = True) -> Flush:
        """Give out everything that waits; `rewrite` False puts off making the buffer anew."""
        fresh = self._seal()
        self._unpublished.extend(fresh)
        kept = self._keep(fresh)
        anew = self._rewrite and rewrite
        if anew:
            self._compact()
        self._attempted = self.last
        return Flush(
            rewrite=tuple(self._stored) if anew else None,
            append=() if self._rewrite else tuple(kept),
            publish=tuple(self._unpublished),
            last=self.last,
        )

    def sent(self, flush: Flush, *, buffered: bool) -> None:
        """Note that a flush was published; `buffered` False = the buffer refused it."""
        self.published = max(self.published, flush.last)
        self._unpublished = [one for one in self._unpublished if one.entry.seq > flush.last]
        if not buffered:
            self.lost_buffer()
        elif flush.rewrite is not None:
            self._rewrite = False
        self._fold()

    def lost_buffer(self) -> None:
        """Note that the buffer is gone, or not what it should be."""
        self._rewrite = bool(self._stored)

    def failed(self) -> None:
        """Note that nothing is known of what was written last, or of the buffer at all."""
        self.lost_buffer()
        kept = self._stored[-1].entry.seq if self._stored else 0
        # What is not even kept for the buffer must not pile up while Redis is away.
        lost = [one for one in self._unpublished if one.entry.seq > kept]
        self.dropped += 0 if self._full else len(lost)
        self._unpublished = [one for one in self._unpublished if one.entry.seq <= kept]

    def clear(self) -> None:
        """Forget everything."""
        self._pending, self._stored, self._unpublished = [], [], []
        self.pending_bytes = self._bytes = self._entries = self._folded = 0
        self._rewrite = False

    def _seal(self) -> list[EncodedEntry]:
        sealed = [_store(growing) for growing in self._pending]
        self._pending = []
        self.pending_bytes = 0
        return sealed

    def _keep(self, fresh: list[EncodedEntry]) -> list[EncodedEntry]:
        """Keep what fits under the cap; the beginning is worth more than the end."""
        if self._full:
            self.dropped += len(fresh)
            return []
        self._stored.extend(fresh)
        self._bytes += sum(len(one.data) for one in fresh)
        self._entries += len(fresh)
        if self._over and not self._tight:
            self._compact()
            self._rewrite = True
            room = self._bytes <= self.cap.bytes * _ROOM
            self._tight = not (room and self._entries <= self.cap.entries * _ROOM)
        while self._over:
            self._full = True
            self.dropped += 1
            self._bytes -= len(self._stored.pop().data)
            self._entries -= 1
        self._rewrite = self._rewrite and bool(self._stored)
        return [
            one for one in fresh if self._stored and one.entry.seq <= self._stored[-1].entry.seq
        ]

    @property
    def _over(self) -> bool:
        return self._bytes > self.cap.bytes or self._entries > self.cap.entries

    def _compact(self) -> None:
        """Merge, but not across the numbers at which a client may stand."""
        self._stored = _merged(self._stored, keep={self.published, self._attempted})
        self._bytes = sum(len(one.data) for one in self._stored)
        self._entries = self._folded = len(self._stored)

    def _fold(self) -> None:
        """Merge here what was published, some at a time; the buffer is counted as it is.

        Where a merging ends does not matter: `_compact` joins it with what follows.
        """
        enough = len(self._stored) - self._folded >= self.cap.loose
        if enough and self._stored[-1].entry.seq <= self.published:
            self._stored[self._folded :] = _merged(self._stored[self._folded :], keep=())
            self._folded = len(self._stored)


def _fits(growing: _GrowingEntry, index: int, role: Role, delta: Delta) -> bool:
    same = (growing.index, growing.role) == (index, role) and growing.size < BATCH_BYTES
    return same and joinable(growing.deltas[-1], delta)


def _store(growing: _GrowingEntry) -> EncodedEntry:
    entry = PartEntry(
        seq=growing.seq,
        first_seq=growing.seq,
        index=growing.index,
        role=growing.role,
        delta=join(growing.deltas),
    )
    return EncodedEntry(entry=entry, data=encode_entry(entry))


def _merged(stored: Sequence[EncodedEntry], *, keep: Collection[int]) -> list[EncodedEntry]:
    entries = merge([one.entry for one in stored], keep=keep)
    unchanged = {one.entry.first_seq: one for one in stored}
    return [_restore(entry, unchanged[entry.first_seq]) for entry in entries]


def _restore(entry: PartEntry, before: EncodedEntry) -> EncodedEntry:
    if entry == before.entry:
        return before
    return EncodedEntry(entry=entry, data=encode_entry(entry))


def _size(delta: Delta) -> int:
    match delta:
        case TextPart() | ReasoningPart():
            return len(delta.text.encode("utf-8", "surrogatepass"))
        case StreamedCall():
            return len(delta.args_delta.encode("utf-8", "surrogatepass"))
        case _:
            return BATCH_BYTES
