"""Joins streamed pieces: adjacent ones into one entry, all of an episode into parts. Pure."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from shared.chats.model.messages import Role
from shared.chats.model.parts import Part, ReasoningPart, TextPart, ToolCallPart
from shared.events.types import Delta, PartEntry, StreamedCall
from shared.jsonvalue import parse_or_text


def joinable(earlier: Delta, later: Delta) -> bool:
    """Say whether the second goes on where the first of the same part stopped."""
    match earlier, later:
        case (TextPart(), TextPart()) | (ReasoningPart(), ReasoningPart()):
            return True
        case StreamedCall(), StreamedCall():
            return earlier.tool_call_id == later.tool_call_id
        case _:
            return False


def join(deltas: Sequence[Delta]) -> Delta:
    """Return one delta for many of which each is joinable with the next."""
    last = deltas[-1]
    known = [delta.provider_metadata for delta in deltas if delta.provider_metadata is not None]
    metadata = known[-1] if known else None
    text = "".join(_text(delta) for delta in deltas)
    match last:
        case TextPart() | ReasoningPart():
            return replace(last, text=text, provider_metadata=metadata)
        case StreamedCall():
            return replace(last, args_delta=text, provider_metadata=metadata)
        case _:
            return last


def merge(entries: Iterable[PartEntry], *, keep: Collection[int] = ()) -> list[PartEntry]:
    """Join adjacent entries of the same part; an entry never reaches over a number in `keep`.

    A client may stand at such a number: were it inside of an entry, the client would have to
    start from the beginning. A whole call takes the place of its streamed arguments.
    """
    merged: list[PartEntry] = []
    for entry in _runs(entries, keep):
        last = merged[-1] if merged else None
        if last is not None and _follows(last, entry, keep) and _replaces(last, entry):
            merged[-1] = replace(entry, first_seq=last.first_seq)
        else:
            merged.append(entry)
    return merged


def contiguous(entries: Iterable[PartEntry]) -> tuple[PartEntry, ...]:
    """Return the entries from number 1 up to the first one that is missing."""
    found: list[PartEntry] = []
    following = 1
    for entry in entries:
        if entry.first_seq != following:
            break
        found.append(entry)
        following = entry.seq + 1
    return tuple(found)


def assemble(entries: Iterable[PartEntry]) -> tuple[Part, ...]:
    """Return the parts that the entries add up to: by message, and in it by place.

    A call whose arguments never became whole keeps their raw text, unless that is JSON already.
    """
    pieces: dict[tuple[Role, int], list[Delta]] = {}
    for entry in entries:
        place = pieces.setdefault((entry.role, entry.index), [])
        if place and not joinable(place[-1], entry.delta):
            place.clear()  # a whole part takes the place of what was streamed of it
        place.append(entry.delta)
    roles = list(dict.fromkeys(role for role, _ in pieces))
    places = sorted(pieces, key=lambda place: (roles.index(place[0]), place[1]))
    return tuple(_whole(join(pieces[place])) for place in places)


def _runs(entries: Iterable[PartEntry], keep: Collection[int]) -> Iterator[PartEntry]:
    run: list[PartEntry] = []
    for entry in entries:
        if run and not (_follows(run[-1], entry, keep) and joinable(run[-1].delta, entry.delta)):
            yield _joined(run)
            run = []
        run.append(entry)
    if run:
        yield _joined(run)


def _joined(run: Sequence[PartEntry]) -> PartEntry:
    delta = join([entry.delta for entry in run])
    return replace(run[-1], first_seq=run[0].first_seq, delta=delta)


def _follows(earlier: PartEntry, later: PartEntry, keep: Collection[int]) -> bool:
    same = (earlier.role, earlier.index) == (later.role, later.index)
    return same and later.first_seq == earlier.seq + 1 and earlier.seq not in keep


def _replaces(earlier: PartEntry, later: PartEntry) -> bool:
    streamed, whole = earlier.delta, later.delta
    return (
        isinstance(streamed, StreamedCall)
        and isinstance(whole, ToolCallPart)
        and streamed.tool_call_id == whole.tool_call_id
    )


def _text(delta: Delta) -> str:
    match delta:
        case TextPart() | ReasoningPart():
            return delta.text
        case StreamedCall():
            return delta.args_delta
        case _:
            return ""


def _whole(delta: Delta) -> Part:
    if not isinstance(delta, StreamedCall):
        return delta
    return ToolCallPart(
        tool_call_id=delta.tool_call_id,
        tool_name=delta.tool_name,
        args=parse_or_text(delta.args_delta),
        provider_metadata=delta.provider_metadata,
    )
