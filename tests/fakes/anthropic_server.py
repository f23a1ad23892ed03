"""The messages dialect as Anthropic's server speaks it, streamed and in one piece."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from shared.jsonvalue import JsonObject, JsonValue
from tests.fakes.dialect import Asked
from tests.fakes.wire import Wire
from workers.providers.http.json_access import items, obj, text
from workers.providers.scripted.steps import (
    Count,
    Fail,
    Say,
    ScriptedCall,
    ScriptedEnd,
    Step,
    Think,
)

SIGNATURE = "c2lnbmF0dXJl+/="  # what every thought of this server is signed with

_REASONS: Mapping[str, str] = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
    "pause": "pause_turn",
}


@dataclass(slots=True)
class AnthropicDialect:
    """`POST /v1/messages`."""

    path: str = "/v1/messages"
    errors: Mapping[str, Fail] = field(
        default_factory=lambda: {
            "overloaded": Fail(status=529, type="overloaded_error", message="Overloaded"),
            "rate_limit": Fail(status=429, type="rate_limit_error", message="Rate limited"),
            "server_error": Fail(status=500, type="api_error", message="Internal server error"),
        }
    )

    def read(self, body: JsonObject) -> Asked:
        messages = [obj(message) for message in items(body.get("messages"))]
        spoken = [at for at, message in enumerate(messages) if _is_from_a_person(message)]
        since = messages[spoken[-1] + 1 :] if spoken else messages
        return Asked(
            text=_text(messages[spoken[-1]].get("content")) if spoken else "",
            answers=sum(message.get("role") == "assistant" for message in since),
            streamed=body.get("stream") is True,
            key=text(obj(body.get("metadata")).get("user_id")),
            model=text(body.get("model")),
        )

    def encoder(self, asked: Asked, wire: Wire) -> "AnthropicEncoder":
        return AnthropicEncoder(asked.model)

    def error_body(self, fail: Fail) -> JsonObject:
        return {"type": "error", "error": {"type": fail.type, "message": fail.message}}


class AnthropicEncoder:
    """One message, block by block."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._blocks: list[dict[str, JsonValue]] = []  # the last one may still be open
        self._open = False
        self._reason: str | None = None
        self._usage: dict[str, JsonValue] = {"input_tokens": 10, "output_tokens": 5}

    def start(self) -> bytes:
        usage = {**self._usage, "output_tokens": 1}
        message = {**self._message([]), "stop_reason": None, "usage": usage}
        return sse("message_start", message=message) + sse("ping")

    def step(self, step: Step) -> bytes:
        match step:
            case Say(said):
                return self._grow("text", "text", said)
            case Think(thought):
                return self._grow("thinking", "thinking", thought)
            case ScriptedCall():
                return self._call(step)
            case Count():
                self._usage = _usage(step)
            case ScriptedEnd(reason):
                self._reason = _REASONS[reason]
            case _:
                raise AssertionError(step)
        return b""

    def end(self) -> bytes:
        stopped = self._stop()
        delta: JsonObject = {"stop_reason": self._stop_reason(), "stop_sequence": None}
        changed = sse("message_delta", delta=delta, usage=self._usage)
        return stopped + changed + sse("message_stop")

    def failure(self, fail: Fail) -> bytes:
        return sse("error", error={"type": fail.type, "message": fail.message})

    def whole(self) -> JsonObject:
        self._stop()
        return self._message(list(self._blocks))

    def _message(self, content: list[JsonValue]) -> JsonObject:
        return {
            "id": "msg_fake",
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": content,
            "stop_reason": self._stop_reason(),
            "stop_sequence": None,
            "usage": self._usage,
        }

    def _grow(self, kind: str, name: str, piece: str) -> bytes:
        body = b""
        if not self._open or self._blocks[-1]["type"] != kind:
            block: dict[str, JsonValue] = {"type": kind, name: ""}
            if kind == "thinking":
                block["signature"] = ""
            body = self._stop() + self._start(block)
        block = self._blocks[-1]
        block[name] = text(block[name]) + piece
        return body + self._delta({"type": f"{kind}_delta", name: piece})

    def _call(self, step: ScriptedCall) -> bytes:
        args = step.args if isinstance(step.args, str) else orjson.dumps(step.args).decode()
        call_id = step.id or f"toolu_fake_{len(self._blocks)}"
        start: JsonObject = {"type": "tool_use", "id": call_id, "name": step.name, "input": {}}
        body = self._stop() + self._start(dict(start))
        self._blocks[-1]["input"] = step.args
        half = (len(args) + 1) // 2
        for piece in ("", args[:half], args[half:]):
            body += self._delta({"type": "input_json_delta", "partial_json": piece})
        return body + self._stop()

    def _start(self, block: dict[str, JsonValue]) -> bytes:
        self._blocks.append(dict(block))
        self._open = True
        return sse("content_block_start", index=len(self._blocks) - 1, content_block=block)

    def _delta(self, delta: JsonObject) -> bytes:
        return sse("content_block_delta", index=len(self._blocks) - 1, delta=delta)

    def _stop(self) -> bytes:
        if not self._open:
            return b""
        self._open = False
        body = b""
        if self._blocks[-1]["type"] == "thinking":
            self._blocks[-1]["signature"] = SIGNATURE
            body = self._delta({"type": "signature_delta", "signature": SIGNATURE})
        return body + sse("content_block_stop", index=len(self._blocks) - 1)

    def _stop_reason(self) -> str:
        calls = any(block["type"] == "tool_use" for block in self._blocks)
        return self._reason or ("tool_use" if calls else "end_turn")


def sse(kind: str, **fields: JsonValue) -> bytes:
    """Write one event of the dialect."""
    return f"event: {kind}\ndata: ".encode() + orjson.dumps({"type": kind, **fields}) + b"\n\n"


def _usage(step: Count) -> dict[str, JsonValue]:
    return {
        "input_tokens": step.input,
        "output_tokens": step.output,
        "cache_read_input_tokens": step.cache_read,
        "cache_creation_input_tokens": step.cache_creation,
        "output_tokens_details": {"thinking_tokens": step.reasoning},
    }


def _is_from_a_person(message: JsonObject) -> bool:
    """A user's message that holds tool results only is not."""
    kinds = [obj(block).get("type") for block in items(message.get("content"))]
    return message.get("role") == "user" and (not kinds or set(kinds) != {"tool_result"})


def _text(content: JsonValue) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(filter(None, (text(obj(block).get("text")) for block in items(content))))
