import pytest

from shared.failures.kinds import ErrorKind, StreamReset
from workers.failures.classify import classify

RETRYABLE = frozenset(
    {"NO_ERROR", "INTERNAL_ERROR", "REFUSED_STREAM", "CANCEL", "ENHANCE_YOUR_CALM"}
)
# Every code of RFC 9113, section 7.
CODES = (
    *sorted(RETRYABLE),
    "PROTOCOL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)


def _below(text: str, reset: StreamReset) -> Exception:
    error = RuntimeError(text)
    error.__cause__ = reset
    return error


@pytest.mark.parametrize("from_peer", [True, False], ids=["peer", "local"])
@pytest.mark.parametrize("code", [code for code in CODES if code != "SETTINGS_TIMEOUT"])
def test_reset_is_retried_by_code_and_origin(code: str, from_peer: bool) -> None:
    failure = classify(StreamReset(stream_id=401, code=code, from_peer=from_peer))
    retryable = from_peer and code in RETRYABLE
    assert failure.kind is (ErrorKind.TIMEOUT if retryable else ErrorKind.GENERIC)
    assert failure.retryable is retryable
    assert failure.status_code == 0


@pytest.mark.parametrize(
    ("from_peer", "text"),
    [
        (True, "stream error: stream ID 455; CANCEL; received from peer"),
        (False, "stream error: stream ID 455; CANCEL"),
    ],
)
def test_text_of_a_reset(from_peer: bool, text: str) -> None:
    reset = StreamReset(stream_id=455, code="CANCEL", from_peer=from_peer)
    assert str(reset) == text
    assert classify(reset).detail == text


@pytest.mark.parametrize(
    "text",
    [
        "http2: client conn is closed",
        "server sent GOAWAY",
        "http2: stream closed",
        "use of closed network connection",
        "CANCEL; received from peer",
    ],
)
@pytest.mark.parametrize(
    "reset",
    [
        StreamReset(stream_id=1, code="CANCEL", from_peer=False),
        StreamReset(stream_id=1, code="PROTOCOL_ERROR", from_peer=True),
    ],
    ids=str,
)
def test_http2_texts_do_not_count_beside_a_final_reset(text: str, reset: StreamReset) -> None:
    assert classify(RuntimeError(text)).retryable
    failure = classify(_below(text, reset))
    assert (failure.kind, failure.retryable) == (ErrorKind.GENERIC, False)


@pytest.mark.parametrize(
    ("text", "kind", "retryable"),
    [
        ("connection reset", ErrorKind.TIMEOUT, True),
        ("status 503", ErrorKind.TIMEOUT, True),
        ("status 401", ErrorKind.AUTH, False),
        ("status 500", ErrorKind.GENERIC, True),
        ("overloaded", ErrorKind.OVERLOADED, True),
        ("invalid model", ErrorKind.CONFIG, False),
    ],
)
def test_everything_else_counts_beside_a_final_reset(
    text: str, kind: ErrorKind, retryable: bool
) -> None:
    reset = StreamReset(stream_id=1, code="PROTOCOL_ERROR", from_peer=True)
    failure = classify(_below(text, reset))
    assert (failure.kind, failure.retryable) == (kind, retryable)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("status 401", ErrorKind.AUTH),
        ("status 429", ErrorKind.RATE_LIMIT),
        ("model not found", ErrorKind.CONFIG),
        ("status 500", ErrorKind.TIMEOUT),
    ],
)
def test_retryable_reset_stands_in_row_11(text: str, kind: ErrorKind) -> None:
    reset = StreamReset(stream_id=1, code="NO_ERROR", from_peer=True)
    assert classify(_below(text, reset)).kind is kind


def test_one_retryable_reset_of_a_group_is_enough() -> None:
    local = StreamReset(stream_id=1, code="CANCEL", from_peer=False)
    peer = StreamReset(stream_id=3, code="CANCEL", from_peer=True)
    assert classify(ExceptionGroup("streams", [local, peer])).retryable
