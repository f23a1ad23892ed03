"""Between events and the bytes in Redis. Private metadata of parts travels beside the public part.

A note on a chat's channel is `{"v": snapshot}` or `{"h": …, "a": …, "e": [entry, …]}`; an entry is
`{"s": seq, "f": first_seq, "i": index, "r": role, "p": public part, "m": private metadata}`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar, cast

import orjson

from shared.chats.model.lease import Episode
from shared.chats.model.messages import Role
from shared.chats.model.parts import Part
from shared.chats.store import codec
from shared.events.types import (
    CancelHint,
    ChangedHint,
    ChatNote,
    Delta,
    PartBatch,
    PartEntry,
    StreamedCall,
)
from shared.jsonvalue import JsonObject, JsonValue

_T = TypeVar("_T")

ENTRY_FIELD: Final = b"e"
"""The one field of an entry of an episode's stream."""

SEAL_NUMBER: Final = "18446744073709551615-0"
"""The entry that seals an episode's stream: no number of a part lies behind it."""

SEAL_FIELD: Final = b"s"
"""Its one field: whoever looks for entries does not see it."""

_PRIVATE = "provider_metadata"


class UnreadableNote(ValueError):
    """What was received is not a note of this project."""


def public_part(delta: Delta) -> dict[str, JsonValue]:
    """Return a part, or what is streamed of it, as clients see it: never its provider metadata."""
    if isinstance(delta, StreamedCall):
        return {
            "type": "tool-call",
            "tool_call_id": delta.tool_call_id,
            "tool_name": delta.tool_name,
            "args_delta": delta.args_delta,
        }
    written = codec.dump(delta)
    written.pop(_PRIVATE, None)
    return written


def encode_entry(entry: PartEntry) -> bytes:
    """Write one entry; the same bytes go into the buffer and into a note."""
    written: dict[str, JsonValue] = {
        "s": entry.seq,
        "i": entry.index,
        "r": entry.role.value,
        "p": public_part(entry.delta),
    }
    if entry.first_seq != entry.seq:
        written["f"] = entry.first_seq
    if entry.delta.provider_metadata is not None:
        written["m"] = entry.delta.provider_metadata
    return _dump(written)


def decode_entry(data: bytes) -> PartEntry:
    """Read one entry of a buffer. Raise `UnreadableNote`."""
    return _read(data, _entry)


def encode_batch(episode: Episode, entries: Sequence[bytes]) -> bytes:
    """Write the note of encoded entries."""
    head = b'{"h":%d,"a":%d,"e":[' % (episode.history_version, episode.attempt)
    return head + b",".join(entries) + b"]}"


def encode_changed(snapshot_version: int) -> bytes:
    """Write the note that there is something to read."""
    return b'{"v":%d}' % snapshot_version


def encode_cancel(hint: CancelHint) -> bytes:
    """Write a cancellation for a worker's channel."""
    return _dump({"c": hint.chat_id, "l": hint.lease_id, "r": hint.reason})


def decode_cancel(data: bytes) -> CancelHint:
    """Read a cancellation. Raise `UnreadableNote`."""
    return _read(data, _cancel)


def decode_note(data: bytes) -> ChatNote:
    """Read what arrived on the channel of a chat. Raise `UnreadableNote`."""
    return _read(data, _note)


def _note(read: Mapping[str, JsonValue]) -> ChatNote:
    if "v" in read:
        return ChangedHint(snapshot_version=_int(read["v"]))
    entries = cast(Sequence[Mapping[str, JsonValue]], read["e"])
    return PartBatch(
        episode=Episode(history_version=_int(read["h"]), attempt=_int(read["a"])),
        entries=tuple(_entry(entry) for entry in entries),
    )


def _entry(read: Mapping[str, JsonValue]) -> PartEntry:
    seq = _int(read["s"])
    return PartEntry(
        seq=seq,
        first_seq=_int(read.get("f", seq)),
        index=_int(read["i"]),
        role=Role(cast(str, read["r"])),
        delta=_delta(cast(JsonObject, read["p"]), cast("JsonObject | None", read.get("m"))),
    )


def _delta(public: JsonObject, private: JsonObject | None) -> Delta:
    if "args_delta" in public:
        return StreamedCall(
            tool_call_id=str(public["tool_call_id"]),
            tool_name=str(public["tool_name"]),
            args_delta=str(public["args_delta"]),
            provider_metadata=private,
        )
    part: Part = codec.load_part(public if private is None else {**public, _PRIVATE: private})
    return part


def _cancel(read: Mapping[str, JsonValue]) -> CancelHint:
    return CancelHint(
        chat_id=cast(str, read["c"]), lease_id=cast(str, read["l"]), reason=cast(str, read["r"])
    )


def _read(data: bytes, build: Callable[[Mapping[str, JsonValue]], _T]) -> _T:
    try:
        return build(orjson.loads(data))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnreadableNote(f"{len(data)} bytes that are not a note: {error!r}") from error


def _int(value: JsonValue) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is not a number")
    return value


def _dump(value: JsonObject) -> bytes:
    try:
        # A copy, for entries are kept: what orjson returns holds on to a buffer of 4 KB or more.
        return b"%b" % orjson.dumps(value)
    except TypeError:
        # Half a surrogate pair, cut by a model, or an integer of more than 64 bits: a part that
        # can't be written as it is must not stop the step.
        text = json.dumps(value, ensure_ascii=False)
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
