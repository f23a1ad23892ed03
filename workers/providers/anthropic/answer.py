"""Maps the events of the messages API; one content block is one part."""

from collections.abc import Mapping

from shared.chats.model.messages import Usage
from shared.failures.kinds import TransportFailed
from shared.jsonvalue import JsonObject, JsonValue
from workers.providers.anthropic.blocks import Block, finished, is_server_call, sources_of
from workers.providers.http.error_mapping import Origin, said
from workers.providers.http.json_access import count, load_object, obj, text
from workers.providers.http.sse_decoder import SseEvent
from workers.providers.protocol import (
    CallDelta,
    FinishReason,
    PartDone,
    ReasoningDelta,
    StreamEnd,
    StreamEvent,
    TextDelta,
)

_REASONS: Mapping[str, FinishReason] = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "tool_use": FinishReason.TOOL_CALLS,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "pause_turn": FinishReason.PAUSE,
    "refusal": FinishReason.CONTENT_FILTER,
}
# An error event arrives with status 200; its type says which status it would have had.
_STATUSES: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class AnthropicAnswer:
    """One message. `message_stop` ends it."""

    def __init__(self, origin: Origin, headers: Mapping[str, str]) -> None:
        """Start with nothing."""
        self.complete = False
        self._origin = origin
        self._headers = headers
        self._next = 0
        self._blocks: dict[JsonValue, Block] = {}
        self._server_tools: dict[str, str] = {}  # call id -> name
        self._cited: set[str] = set()
        self._reason = FinishReason.OTHER
        self._response_id: str | None = None
        self._usage: dict[str, JsonValue] = {}
        self._metadata: dict[str, JsonValue] = {}

    def take(self, event: SseEvent) -> list[StreamEvent]:
        """Map one event; an error in its place is raised, unknown ones are left out."""
        data = load_object(event.data)
        kind = text(data.get("type")) if data is not None else ""
        if event.name == "error" or kind == "error":
            raise self._failure(event.data, data)
        if data is None:
            raise TransportFailed(self._origin.provider, "body")
        match kind:
            case "content_block_delta":
                return self._delta(self._block(data), obj(data.get("delta")))
            case "content_block_start":
                return self._start(data)
            case "content_block_stop":
                return self._stop(data)
            case "message_start":
                self._begin(obj(data.get("message")))
            case "message_delta":
                self._change(data)
            case "message_stop":
                return self._end()
            case _:
                pass  # a ping, or something newer than we are
        return []

    def take_whole(self, body: JsonObject) -> list[StreamEvent] | None:
        """Map a message that was not streamed; None if it is not one."""
        if body.get("type") != "message":
            return None
        self._begin(body)
        self._change({"delta": body, "usage": body.get("usage")})
        events: list[StreamEvent] = []
        content = body.get("content")
        for index, block in enumerate(content if isinstance(content, list) else ()):
            events += self._start({"index": index, "content_block": block})
        return events + self._end()

    def finish(self) -> StreamEnd:
        """Return the end of the answer."""
        return StreamEnd(
            reason=self._reason,
            usage=_usage(self._usage) if self._usage else None,
            response_id=self._response_id,
            metadata={**self._metadata, "usage": self._usage},
        )

    def _begin(self, message: JsonObject) -> None:
        self._response_id = text(message.get("id")) or None
        self._usage |= obj(message.get("usage"))
        self._metadata["model"] = message.get("model")

    def _change(self, data: JsonObject) -> None:
        """Take the reason and the final counts, which replace those of the beginning."""
        delta = obj(data.get("delta"))
        reason = text(delta.get("stop_reason"))
        if reason:
            self._reason = _REASONS.get(reason, FinishReason.OTHER)
        if delta.get("stop_details") is not None:
            self._metadata["stop_details"] = delta["stop_details"]
        usage = obj(data.get("usage"))
        self._usage |= {name: value for name, value in usage.items() if value is not None}

    def _start(self, data: JsonObject) -> list[StreamEvent]:
        start = obj(data.get("content_block"))
        block = Block(index=self._next, kind=text(start.get("type")), start=start)
        self._blocks[data.get("index")] = block
        if not block.is_known:
            return []
        self._next += 1
        if block.kind == "tool_use":
            return [CallDelta(block.index, text(start.get("id")), text(start.get("name")), "")]
        if is_server_call(block.kind):
            self._server_tools[text(start.get("id"))] = text(start.get("name"))
        delta: JsonObject = {  # a block may begin with content, and does in a whole message
            "text": start.get("text"),
            "thinking": start.get("thinking"),
        }
        block.signature = text(start.get("signature"))
        citations = start.get("citations")
        block.citations += citations if isinstance(citations, list) else []
        # Some models show no thoughts at all: that one begins is all that comes for minutes.
        begun = [ReasoningDelta(block.index, "")] if block.kind == "thinking" else []
        return [*begun, *self._delta(block, delta)]

    def _delta(self, block: Block, delta: JsonObject) -> list[StreamEvent]:
        if not block.is_known:
            return []
        said_now = text(delta.get("text"))
        if said_now:
            block.pieces.append(said_now)
            return [TextDelta(block.index, said_now)]
        thought = text(delta.get("thinking"))
        if thought:
            block.pieces.append(thought)
            return [ReasoningDelta(block.index, thought)]
        args = text(delta.get("partial_json"))
        if args:
            block.pieces.append(args)
            start = block.start
            if block.kind != "tool_use":
                return []  # a call that the provider runs itself is shown whole
            return [CallDelta(block.index, text(start.get("id")), text(start.get("name")), args)]
        block.signature += text(delta.get("signature"))
        if delta.get("citation") is not None:
            block.citations.append(delta["citation"])
        return []

    def _stop(self, data: JsonObject) -> list[StreamEvent]:
        block = self._block(data)
        del self._blocks[data.get("index")]
        part = finished(block, self._origin, self._server_tools)
        if part is None:
            return []
        events: list[StreamEvent] = [PartDone(block.index, part)]
        for source in sources_of(block.citations, self._origin):
            if source.url not in self._cited:
                self._cited.add(source.url)
                events.append(PartDone(self._next, source))
                self._next += 1
        return events

    def _end(self) -> list[StreamEvent]:
        self.complete = True
        return [event for index in list(self._blocks) for event in self._stop({"index": index})]

    def _block(self, data: JsonObject) -> Block:
        block = self._blocks.get(data.get("index"))
        if block is None:
            raise TransportFailed(self._origin.provider, "body")  # more of a block unheard of
        return block

    def _failure(self, raw: str, data: JsonObject | None) -> Exception:
        kind = text(obj(obj(data).get("error")).get("type"))
        status = _STATUSES.get(kind, 0)
        return said(self._origin, raw, status_code=status, headers=self._headers)


def _usage(usage: JsonObject) -> Usage:
    """Count tokens as the API does: the input leaves out what was read from or put in the cache."""
    return Usage(
        input_tokens=count(usage.get("input_tokens")),
        output_tokens=count(usage.get("output_tokens")),
        reasoning_tokens=count(obj(usage.get("output_tokens_details")).get("thinking_tokens")),
        cache_read_tokens=count(usage.get("cache_read_input_tokens")),
        cache_creation_tokens=count(usage.get("cache_creation_input_tokens")),
    )
