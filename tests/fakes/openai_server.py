"""The chat-completions dialect as a server speaks it, streamed and in one piece."""

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

_ID = "chatcmpl-fake"


@dataclass(slots=True)
class OpenAIDialect:
    """`POST /v1/chat/completions`."""

    path: str = "/v1/chat/completions"
    errors: Mapping[str, Fail] = field(
        default_factory=lambda: {
            "rate_limit": Fail(
                status=429, type="rate_limit_exceeded", message="Rate limit exceeded"
            ),
            "server_error": Fail(status=500, type="server_error", message="Internal server error"),
            "overloaded": Fail(status=503, type="overloaded", message="Overloaded"),
        }
    )

    def read(self, body: JsonObject) -> Asked:
        messages = [obj(message) for message in items(body.get("messages"))]
        users = [at for at, message in enumerate(messages) if message.get("role") == "user"]
        since = messages[users[-1] + 1 :] if users else messages
        return Asked(
            text=_content(messages[users[-1]].get("content")) if users else "",
            answers=sum(message.get("role") == "assistant" for message in since),
            streamed=body.get("stream") is True,
            key=text(body.get("user")),
            model=text(body.get("model")),
        )

    def encoder(self, asked: Asked, wire: Wire) -> "OpenAIEncoder":
        return OpenAIEncoder(asked.model, wire)

    def error_body(self, fail: Fail) -> JsonObject:
        return {"error": {"type": fail.type, "message": fail.message}}


class OpenAIEncoder:
    """One chat completion."""

    def __init__(self, model: str, wire: Wire) -> None:
        self._model = model
        self._wire = wire
        self._said: list[str] = []
        self._thought: list[str] = []
        self._calls: list[JsonValue] = []
        self._reason: str | None = None
        self._usage: JsonObject = {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
        }

    def start(self) -> bytes:
        return self._delta({"role": "assistant", "content": ""})

    def step(self, step: Step) -> bytes:
        match step:
            case Say(said):
                self._said.append(said)
                return self._delta({"content": said})
            case Think(thought):
                self._thought.append(thought)
                return self._delta({self._wire.reasoning_field: thought})
            case ScriptedCall():
                return self._call(step)
            case Count():
                self._usage = _usage(step)
            case ScriptedEnd(reason):
                self._reason = reason
            case _:
                raise AssertionError(step)
        return b""

    def end(self) -> bytes:
        body = self._event(self._choice({}, self._finish_reason()))
        if self._wire.usage:
            body += self._event({"choices": [], "usage": self._usage})
        return body + (b"data: [DONE]\n\n" if self._wire.done else b"")

    def failure(self, fail: Fail) -> bytes:
        return _sse({"error": {"type": fail.type, "message": fail.message}})

    def whole(self) -> JsonObject:
        message: dict[str, JsonValue] = {
            "role": "assistant",
            "content": "".join(self._said) or None,
        }
        if self._thought:
            message[self._wire.reasoning_field] = "".join(self._thought)
        if self._calls:
            message["tool_calls"] = self._calls
        choice: JsonObject = {
            "index": 0,
            "message": message,
            "finish_reason": self._finish_reason(),
        }
        return self._envelope("chat.completion", {"choices": [choice], "usage": self._usage})

    def _call(self, step: ScriptedCall) -> bytes:
        args = step.args if isinstance(step.args, str) else orjson.dumps(step.args).decode()
        at = len(self._calls)
        call_id = step.id or f"call_fake_{at}"
        function: JsonObject = {"name": step.name, "arguments": args}
        self._calls.append({"id": call_id, "type": "function", "function": function})
        first: JsonObject = {
            "index": at,
            "id": call_id,
            "type": "function",
            "function": {"name": step.name, "arguments": ""},
        }
        half = (len(args) + 1) // 2
        more = [
            {"index": at, "function": {"arguments": piece}} for piece in (args[:half], args[half:])
        ]
        return b"".join(self._delta({"tool_calls": [call]}) for call in (first, *more))

    def _finish_reason(self) -> str:
        return self._reason or ("tool_calls" if self._calls else "stop")

    def _delta(self, delta: JsonObject) -> bytes:
        return self._event(self._choice(delta, None))

    def _choice(self, delta: JsonObject, reason: str | None) -> JsonObject:
        return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    def _event(self, fields: JsonObject) -> bytes:
        return _sse(self._envelope("chat.completion.chunk", fields))

    def _envelope(self, kind: str, fields: JsonObject) -> JsonObject:
        return {"id": _ID, "object": kind, "created": 1, "model": self._model, **fields}


def _sse(event: JsonObject) -> bytes:
    return b"data: " + orjson.dumps(event) + b"\n\n"


def _usage(step: Count) -> JsonObject:
    prompt = step.input + step.cache_read
    return {
        "prompt_tokens": prompt,
        "completion_tokens": step.output,
        "total_tokens": prompt + step.output,
        "prompt_tokens_details": {"cached_tokens": step.cache_read},
        "completion_tokens_details": {"reasoning_tokens": step.reasoning},
    }


def _content(content: JsonValue) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(filter(None, (text(obj(piece).get("text")) for piece in items(content))))
