"""Maps the chunks of a chat completion, as OpenAI and the servers compatible with it send them."""

from collections.abc import Callable, Mapping, Sequence

from shared.chats.model.messages import Usage
from shared.chats.model.parts import SourcePart
from shared.failures.kinds import TransportFailed
from shared.jsonvalue import JsonObject, JsonValue
from workers.providers.http.error_mapping import Origin, said
from workers.providers.http.json_access import count, dump, items, load_object, obj, text
from workers.providers.http.sse_decoder import SseEvent
from workers.providers.openai_chat.calls import ChatCalls
from workers.providers.parts.assembly import Assembly
from workers.providers.protocol import FinishReason, StreamEnd, StreamEvent

_REASONS: Mapping[str, FinishReason] = {
    "stop": FinishReason.STOP,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "length": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
}
_REASONING_FIELDS = ("reasoning_content", "reasoning")
_THOUGHTS = (*_REASONING_FIELDS, "reasoning_details")
_NOT_METADATA = {"id", "object", "created", "choices"}


class ChatAnswer:
    """One chat completion. A `finish_reason` ends it; the usage comes in a chunk after that."""

    def __init__(
        self, origin: Origin, headers: Mapping[str, str], new_call_id: Callable[[], str]
    ) -> None:
        """Start with nothing; calls without an id of their own get one of `new_call_id`."""
        self.complete = False
        self._origin = origin
        self._headers = headers
        self._assembly = Assembly(origin)
        self._calls = ChatCalls(origin, self._assembly, new_call_id)
        # How the open reasoning part goes back: its field, and its details, each as text of JSON.
        self._field = ""
        self._details: list[str] = []
        self._reason = FinishReason.OTHER
        self._refused = False
        self._spoke = False
        self._response_id: str | None = None
        self._usage: Usage | None = None
        self._metadata: dict[str, JsonValue] = {}

    def take(self, event: SseEvent) -> list[StreamEvent]:
        """Map one chunk; an error object in its place is raised."""
        if event.data == "[DONE]":
            return []
        chunk = load_object(event.data)
        if event.name == "error" or (chunk is not None and chunk.get("error")):
            raise said(self._origin, event.data, headers=self._headers)
        if chunk is None:
            raise TransportFailed(self._origin.provider, "body")
        return self._chunk(chunk, "delta")

    def take_whole(self, body: JsonObject) -> list[StreamEvent] | None:
        """Map a completion that was not streamed: its message is one large delta."""
        events = self._chunk(body, "message")
        return events if self.complete else None

    def finish(self) -> StreamEnd:
        """Return the end of the answer."""
        reason = self._reason
        if reason is FinishReason.STOP and self._assembly.has_calls:
            reason = FinishReason.TOOL_CALLS  # some servers say "stop" for everything
        return StreamEnd(
            reason=FinishReason.CONTENT_FILTER if self._refused else reason,
            usage=self._usage,
            response_id=self._response_id,
            metadata=self._metadata,
        )

    def _chunk(self, chunk: JsonObject, message: str) -> list[StreamEvent]:
        if self._response_id is None:
            self._response_id = text(chunk.get("id")) or None
        usage = chunk.get("usage")
        if isinstance(usage, dict):
            self._usage = _usage(usage)
            self._keep_metadata(chunk)
        events: list[StreamEvent] = []
        for raw in items(chunk.get("choices")):
            choice = obj(raw)
            if self.complete or count(choice.get("index")) > 0:
                continue  # we ask for one answer only
            events += self._delta(obj(choice.get(message)))
            reason = text(choice.get("finish_reason"))
            if reason:
                events += self._end(reason)
                self._keep_metadata(chunk)
        return events

    def _delta(self, delta: JsonObject) -> list[StreamEvent]:
        events = self._reasoning(delta) if any(map(delta.get, _THOUGHTS)) else []
        content = delta.get("content")
        if isinstance(content, str):
            if content:
                events += self._text(content)
        elif content:
            events += self._typed(items(content))
        refusal = text(delta.get("refusal"))
        if refusal:
            events += self._assembly.text(refusal)
            self._assembly.mark_prose(refusal=True)
            self._refused = True
        for raw in items(delta.get("tool_calls")):
            events += self._calls.take(obj(raw))
        for raw in items(delta.get("annotations")):
            events += self._source(obj(obj(raw).get("url_citation")))
        return events

    def _text(self, content: str) -> list[StreamEvent]:
        """Take content; it is one text to the server, whatever came between its pieces."""
        begins = not self._assembly.is_text
        events = self._assembly.text(content)
        if begins and self._spoke:
            self._assembly.mark_prose(goes_on=True)
        self._spoke = True
        return events

    def _reasoning(self, delta: JsonObject) -> list[StreamEvent]:
        """Take the first reasoning field there is: servers that send both send the same text."""
        field = next((name for name in _REASONING_FIELDS if text(delta.get(name))), "")
        details = items(delta.get("reasoning_details"))
        if not field and not details:
            return []
        if not self._assembly.is_reasoning:
            self._field, self._details = "", []
        events = self._assembly.reasoning(text(delta.get(field)))
        if field and field != self._field:
            self._field = field
            self._assembly.mark_prose(field=field)
        if details and not self._details:
            self._assembly.mark_prose(details=self._details)  # the list itself: it still grows
        self._details += [dump(detail) for detail in details]
        return events

    def _typed(self, content: Sequence[JsonValue]) -> list[StreamEvent]:
        """Take content in typed pieces, as Mistral's reasoning models send it."""
        events: list[StreamEvent] = []
        for raw in content:
            piece = obj(raw)
            if text(piece.get("text")):
                events += self._text(text(piece.get("text")))
            for thought in items(piece.get("thinking")):
                events += self._assembly.reasoning(text(obj(thought).get("text")))
        return events

    def _source(self, citation: JsonObject) -> list[StreamEvent]:
        url = text(citation.get("url"))
        if not url:
            return []
        source = SourcePart(source_id=url, url=url, title=text(citation.get("title")))
        return self._assembly.whole(source)

    def _end(self, reason: str) -> list[StreamEvent]:
        if reason == "error":
            raise said(self._origin, "", headers=self._headers, otherwise="the answer failed")
        self.complete = True
        self._reason = _REASONS.get(reason, FinishReason.OTHER)
        return self._assembly.end()

    def _keep_metadata(self, chunk: JsonObject) -> None:
        self._metadata |= {k: v for k, v in chunk.items() if k not in _NOT_METADATA}


def _usage(usage: JsonObject) -> Usage:
    """Count tokens: the input without what was read from the cache, the output with reasoning."""
    prompt = count(usage.get("prompt_tokens"))
    details = obj(usage.get("prompt_tokens_details"))
    cached = count(details.get("cached_tokens")) or count(usage.get("prompt_cache_hit_tokens"))
    spent = obj(usage.get("completion_tokens_details"))
    return Usage(
        input_tokens=max(prompt - cached, 0),
        output_tokens=count(usage.get("completion_tokens")),
        reasoning_tokens=count(spent.get("reasoning_tokens")),
        cache_read_tokens=min(cached, prompt),
    )
