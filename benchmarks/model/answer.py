"""What the fake model says: so many pieces so far apart, each with the time when it was said."""

import re
from dataclasses import dataclass
from typing import Final, Protocol

_PLAN: Final = re.compile(r"(?P<deltas>\d+)x(?P<milliseconds>\d+)(?:h(?P<hops>\d+))?")
_MODEL: Final = re.compile(rb'"model":\s*"([^"]*)"')
_RESULT: Final = re.compile(rb'"role":\s*"tool"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An answer, as the name of the model orders it.

    `hops` answers call a tool instead, so that the turn goes on with one more step each time.
    """

    deltas: int
    seconds: float = 0.0
    hops: int = 0

    @property
    def name(self) -> str:
        """The model that answers so, as in `100x0` and `1x0h8`."""
        hops = f"h{self.hops}" if self.hops else ""
        return f"{self.deltas}x{round(self.seconds * 1000)}{hops}"


class Dialect(Protocol):
    """Writes an answer. Every method returns whole server-sent events."""

    def start(self) -> bytes:
        """What goes before the first piece."""
        ...

    def piece(self, text: str) -> bytes:
        """A piece of text."""
        ...

    def end(self) -> bytes:
        """What goes behind the last piece."""
        ...


def plan_of(name: str) -> Plan:
    """Read the name of a model. Raises `ValueError`."""
    found = _PLAN.fullmatch(name)
    if found is None:
        raise ValueError(f"no model of this server: {name!r}")
    return Plan(
        deltas=int(found["deltas"]),
        seconds=int(found["milliseconds"]) / 1000,
        hops=int(found["hops"] or 0),
    )


def asked_plan(body: bytes) -> Plan:
    """Read which model a request asks for. Raises `ValueError`."""
    found = _MODEL.search(body)
    return plan_of(found[1].decode() if found is not None else "")


def results_in(body: bytes) -> int:
    """Count the tool results in a request: as many hops have been made."""
    return len(_RESULT.findall(body))


def stamp(now_ns: int) -> str:
    """Write a time so that `load.body` finds it in whatever the text becomes."""
    return f"~{now_ns} "


_CHUNK: Final = b'{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":'


class ChatDialect:
    """`/v1/chat/completions`."""

    def start(self) -> bytes:
        """The role."""
        return _chat(b'{"role":"assistant","content":""}')

    def piece(self, text: str) -> bytes:
        """A delta."""
        return _chat(b'{"content":"%s"}' % text.encode())

    def call(self, number: int) -> bytes:
        """A call of a tool that no chat offers: its result is an error, and costs nothing.

        No two are the same: a model that repeats itself is stopped.
        """
        args = b'"{\\"number\\": %d}"' % number
        function = b'{"name":"hop","arguments":%s}' % args
        call = b'{"index":0,"id":"call-%d","type":"function","function":%s}' % (number, function)
        return _chat(b'{"tool_calls":[%s]}' % call)

    def end(self, reason: bytes = b"stop") -> bytes:
        """The reason, the token counts, and `[DONE]`."""
        finish = _CHUNK + b'[{"index":0,"delta":{},"finish_reason":"%s"}]}' % reason
        usage = b'{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}'
        return b'data: %s\n\ndata: %s[],"usage":%s}\n\ndata: [DONE]\n\n' % (finish, _CHUNK, usage)


class MessagesDialect:
    """`/v1/messages`."""

    def start(self) -> bytes:
        """The message and its only block."""
        usage = b'{"input_tokens":10,"output_tokens":1}'
        message = (
            b'{"id":"m","type":"message","role":"assistant","model":"m","content":[],'
            b'"stop_reason":null,"stop_sequence":null,"usage":%s}' % usage
        )
        block = b'"index":0,"content_block":{"type":"text","text":""}'
        return _event(b"message_start", b'"message":' + message) + _event(
            b"content_block_start", block
        )

    def piece(self, text: str) -> bytes:
        """A delta."""
        delta = b'"index":0,"delta":{"type":"text_delta","text":"%s"}' % text.encode()
        return _event(b"content_block_delta", delta)

    def end(self) -> bytes:
        """The end of the block, the reason and the token counts."""
        delta = b'"delta":{"stop_reason":"end_turn","stop_sequence":null}'
        return (
            _event(b"content_block_stop", b'"index":0')
            + _event(b"message_delta", delta + b',"usage":{"output_tokens":5}')
            + _event(b"message_stop", b"")
        )


def _chat(delta: bytes) -> bytes:
    return b'data: %s[{"index":0,"delta":%s,"finish_reason":null}]}\n\n' % (_CHUNK, delta)


def _event(kind: bytes, fields: bytes) -> bytes:
    comma = b"," if fields else b""
    return b'event: %s\ndata: {"type":"%s"%s%s}\n\n' % (kind, kind, comma, fields)
