import sys
import tracemalloc
from datetime import UTC, datetime

import orjson
import pytest

from shared.chats.model.lease import Episode
from shared.chats.model.messages import Role
from shared.chats.model.parts import (
    FilePart,
    Part,
    ReasoningPart,
    SourcePart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from shared.events.types import CancelHint, ChangedHint, Delta, PartBatch, PartEntry, StreamedCall
from shared.events.wire import (
    UnreadableNote,
    decode_cancel,
    decode_entry,
    decode_note,
    encode_batch,
    encode_cancel,
    encode_changed,
    encode_entry,
    public_part,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DELTAS: list[Delta] = [
    TextPart(text="héllo"),
    ReasoningPart(text="hm", provider_metadata={"signature": "s"}),
    StreamedCall(tool_call_id="c1", tool_name="add", args_delta='{"a":'),
    ToolCallPart(tool_call_id="c1", tool_name="add", args={"a": [1, None]}, created_at=NOON),
    ToolResultPart(tool_call_id="c1", tool_name="add", result="3", is_error=True, created_at=NOON),
    SourcePart(source_id="s", url="https://example.org", title="Example"),
    FilePart(media_type="image/png", data="AAAA", name="a.png"),
]


def entry(delta: Delta, *, seq: int = 3, first_seq: int = 3) -> PartEntry:
    return PartEntry(seq=seq, first_seq=first_seq, index=2, role=Role.ASSISTANT, delta=delta)


@pytest.mark.parametrize("delta", DELTAS)
def test_an_entry_survives_the_way_through_redis(delta: Delta) -> None:
    assert decode_entry(encode_entry(entry(delta))) == entry(delta)


def test_a_merged_entry_keeps_its_first_number() -> None:
    merged = entry(TextPart(text="ab"), seq=7, first_seq=4)
    assert decode_entry(encode_entry(merged)) == merged


def test_an_encoded_entry_holds_no_more_memory_than_it_says() -> None:
    entries = [entry(TextPart(text=f"{number} words")) for number in range(100)]
    tracemalloc.start()
    try:
        kept = [encode_entry(one) for one in entries]
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Python's free lists take their part; a buffer of orjson's would be forty times as much.
    assert held < 4 * sum(map(sys.getsizeof, kept))


def test_a_batch_is_made_of_encoded_entries() -> None:
    episode = Episode(history_version=12, attempt=2)
    entries = (entry(DELTAS[0], seq=1, first_seq=1), entry(DELTAS[1], seq=2, first_seq=2))
    note = decode_note(encode_batch(episode, [encode_entry(each) for each in entries]))
    assert note == PartBatch(episode=episode, entries=entries)


def test_a_change_is_a_snapshot_version() -> None:
    assert decode_note(encode_changed(41)) == ChangedHint(snapshot_version=41)


def test_a_cancellation_survives_the_way_through_redis() -> None:
    hint = CancelHint(chat_id="c", lease_id="l", reason="interrupted")
    assert decode_cancel(encode_cancel(hint)) == hint


@pytest.mark.parametrize("data", [b"", b"[]", b"7", b"{}", b'{"v":"x"}', b'{"h":1,"a":0,"e":[1]}'])
def test_what_is_no_note_is_refused_by_its_own_error(data: bytes) -> None:
    with pytest.raises(UnreadableNote):
        decode_note(data)


@pytest.mark.parametrize("delta", DELTAS)
def test_provider_metadata_is_never_public(delta: Delta) -> None:
    public = public_part(delta)
    assert "provider_metadata" not in public
    assert "signature" not in orjson.dumps(public).decode()


def test_half_a_surrogate_pair_is_replaced_and_a_whole_one_joined() -> None:
    read = decode_entry(encode_entry(entry(TextPart(text="a\ud83d\ude00b\ud83d"))))
    assert read.delta == TextPart(text="a\U0001f600b\ufffd")


def test_an_integer_of_more_than_64_bits_does_not_stop_the_step() -> None:
    part: Part = ToolCallPart(tool_call_id="c", tool_name="t", args={"n": 2**70})
    assert decode_entry(encode_entry(entry(part))).index == 2
