"""The content blocks of the messages API, and the parts that they become."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from shared.chats.model.parts import (
    Part,
    ReasoningPart,
    SourcePart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from shared.jsonvalue import JsonObject, JsonValue
from workers.providers.http.error_mapping import Origin
from workers.providers.http.json_access import dump, obj, text
from workers.providers.parts.assembly import parse_args, verbatim
from workers.providers.parts.metadata import stamp

_CALL_KEYS = {"type", "id", "name", "input"}


_PLAIN = {"text", "thinking", "redacted_thinking", "tool_use"}


@dataclass(slots=True, kw_only=True)
class Block:
    """A content block that still grows; `start` is how it began."""

    index: int
    kind: str
    start: JsonObject
    pieces: list[str] = field(default_factory=list[str])
    signature: str = ""
    citations: list[JsonValue] = field(default_factory=list[JsonValue])

    @property
    def is_known(self) -> bool:
        """Whether a part becomes of it; a kind that is newer than we are is left out."""
        return self.kind in _PLAIN or is_server_call(self.kind) or is_server_result(self.kind)


def finished(block: Block, origin: Origin, server_tools: Mapping[str, str]) -> Part | None:
    """Make the finished part, with what its provider wants back; None for an unknown kind.

    What must not change by a byte is kept as the text of JSON: a database may reorder the keys of
    an object. `server_tools` names the tool of each call that the provider runs.
    """
    content, start = "".join(block.pieces), block.start
    match block.kind:
        case "text":
            kept = stamp(origin, citations=dump(block.citations)) if block.citations else None
            return TextPart(text=content, provider_metadata=kept)
        case "thinking":
            kept = stamp(origin, signature=block.signature)
            return ReasoningPart(text=content, provider_metadata=kept)
        case "redacted_thinking":
            kept = stamp(origin, redacted=text(start.get("data")))
            return ReasoningPart(text="", provider_metadata=kept)
        case "tool_use":
            return _call(block, content, origin)
        case kind if is_server_call(kind):
            return _server_call(block, content, origin)
        case kind if is_server_result(kind):
            return _server_result(block, origin, server_tools)
        case _:
            return None


def is_server_call(kind: str) -> bool:
    """Whether a block is a call that the provider runs: web search, code, a remote MCP server."""
    return kind.endswith("_tool_use")


def is_server_result(kind: str) -> bool:
    """Whether a block is the result of such a call."""
    return kind.endswith("_tool_result")


def sources_of(citations: Sequence[JsonValue], origin: Origin) -> Iterator[SourcePart]:
    """Yield the pages that a text cites."""
    for raw in citations:
        citation = obj(raw)
        url = text(citation.get("url"))
        if url:
            yield SourcePart(
                source_id=url,
                url=url,
                title=text(citation.get("title")),
                provider_metadata=stamp(origin),
            )


def _call(block: Block, content: str, origin: Origin) -> ToolCallPart:
    start = block.start
    extra = {k: v for k, v in start.items() if k not in _CALL_KEYS}
    raw = content or dump(obj(start.get("input")))
    kept = verbatim(raw)
    if extra:
        kept["extra"] = dump(extra)
    return ToolCallPart(
        tool_call_id=text(start.get("id")),
        tool_name=text(start.get("name")),
        args=parse_args(raw),
        provider_metadata=stamp(origin, **kept) if kept else None,
    )


def _server_call(block: Block, content: str, origin: Origin) -> ToolCallPart:
    args = parse_args(content) if content else obj(block.start.get("input"))
    return ToolCallPart(
        tool_call_id=text(block.start.get("id")),
        tool_name=text(block.start.get("name")),
        args=args,
        provider_executed=True,
        provider_metadata=stamp(origin, block=dump({**block.start, "input": args})),
    )


def _server_result(block: Block, origin: Origin, server_tools: Mapping[str, str]) -> ToolResultPart:
    """Show what a person may read; the encrypted pieces mean something to the provider only."""
    call_id = text(block.start.get("tool_use_id"))
    content = block.start.get("content")
    return ToolResultPart(
        tool_call_id=call_id,
        tool_name=server_tools.get(call_id, block.kind.removesuffix("_tool_result")),
        result=_shown(content),
        is_error=text(obj(content).get("type")).endswith("_error"),
        provider_executed=True,
        provider_metadata=stamp(origin, block=dump(block.start)),
    )


def _shown(value: JsonValue) -> JsonValue:
    if isinstance(value, Mapping):
        return {k: _shown(v) for k, v in value.items() if not k.startswith("encrypted_")}
    if isinstance(value, list):
        return [_shown(one) for one in value]
    return value
