"""Our decoder of server-sent events: raw bytes in any chunking in, whole events out."""

from typing import NamedTuple

MAX_EVENT_BYTES = 8 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"


class SseError(Exception):
    """The bytes are no event stream: bad UTF-8, or an event beyond the limit."""


class SseEvent(NamedTuple):
    """One event: its name ("" = none given) and its data lines, joined by line feeds."""

    name: str
    data: str


class SseDecoder:
    """Decode one stream; an event that the end of the stream cuts off is never given out."""

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        """Start at the first byte of a stream."""
        self._limit = max_event_bytes
        self._buffer = bytearray()  # grows in place: a long event costs what its bytes cost
        self._searched = 0  # no event ends before here
        self._at_start = True
        self._after_cr = False

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """Take the next bytes, return the events that they complete; `SseError` is final."""
        if self._after_cr or b"\r" in chunk:
            chunk = self._plain_newlines(chunk)
        if self._at_start:
            chunk = bytes(self._buffer) + chunk
            self._buffer.clear()
            if len(chunk) < len(_BOM) and _BOM.startswith(chunk):
                self._buffer += chunk
                return []
            chunk = chunk.removeprefix(_BOM)
            self._at_start = False
        if not self._buffer:
            return self._events(chunk)
        self._buffer += chunk
        return self._events(self._buffer)

    def _events(self, buffer: bytes | bytearray) -> list[SseEvent]:
        events: list[SseEvent] = []
        start = 0
        end = buffer.find(b"\n\n", self._searched)
        while end >= 0:
            if end - start > self._limit:
                raise SseError("an event is too long")
            event = _event(buffer[start:end])
            if event is not None:
                events.append(event)
            start = end + 2
            end = buffer.find(b"\n\n", start)
        if buffer is self._buffer:
            del self._buffer[:start]
        else:
            self._buffer += buffer[start:]
        if len(self._buffer) > self._limit:
            raise SseError("an event is too long")
        self._searched = max(len(self._buffer) - 1, 0)  # a last \n may be the first of two
        return events

    def _plain_newlines(self, chunk: bytes) -> bytes:
        """Turn CRLF and CR into LF, also where a chunk ends between the two."""
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        self._after_cr = self._after_cr or chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _event(block: bytes | bytearray) -> SseEvent | None:
    """Read the lines of one event; a block without a data line is none."""
    try:
        text = block.decode()
    except UnicodeDecodeError:
        raise SseError("the stream is not UTF-8") from None
    # Nearly all are of one of these two shapes.
    if text.startswith("data: ") and "\n" not in text:
        return SseEvent("", text[6:])
    if text.startswith("event: "):
        first, _, rest = text.partition("\n")
        if rest.startswith("data: ") and "\n" not in rest:
            return SseEvent(first[7:], rest[6:])
    name = ""
    data: list[str] = []
    for line in text.split("\n"):
        field, _, value = line.partition(":")
        if field == "data":
            data.append(value.removeprefix(" "))
        elif field == "event":
            name = value.removeprefix(" ")
    return SseEvent(name, "\n".join(data)) if data else None
