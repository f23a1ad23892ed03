"""Builds the row of a chat that is about to be created. Refuses what the catalog does not know."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import orjson

from shared.chats.model.chat import Chat, DynamicTool
from shared.chats.model.ids import ChatId, MessageId
from shared.chats.model.messages import Usage
from shared.chats.model.parts import FilePart, Part, TextPart
from shared.chats.model.statuses import OnError, Status
from shared.chats.model.timing import TurnTime
from shared.config.catalog import Catalog
from shared.jsonvalue import JsonObject, JsonValue
from shared.submission.errors import FieldFault, InvalidSubmission
from shared.submission.tool_schema import SchemaChecks

MAX_TOOL_BYTES: Final = 1024 * 1024
TITLE_WORDS: Final = 6
TITLE_CHARACTERS: Final = 80
UNTITLED: Final = "New chat"

_UNSET: Final = datetime.fromtimestamp(0, UTC)
"""Stands for the times until the chat is inserted: they are the database's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChat:
    """A chat and its first message, as a producer asks for it; None = the default."""

    owner: str
    content: tuple[Part, ...]
    author: str | None = None
    key: str | None = None
    model: str | None = None
    system: str | None = None
    title: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    metadata: JsonObject = field(default_factory=dict[str, JsonValue])
    dynamic_tools: tuple[DynamicTool, ...] = ()
    tools: tuple[str, ...] | None = None
    requires_action_timeout_seconds: int | None = None
    on_error: OnError = OnError.HOLD


def build_chat(
    new: NewChat,
    *,
    chat_id: ChatId,
    catalog: Catalog,
    builtin_tools: Collection[str],
    checks: SchemaChecks,
) -> Chat:
    """Return the row of a new chat. Raise `InvalidSubmission`, which names every field at fault."""
    faults = [*model_faults(catalog, new.model), *_tool_faults(new, builtin_tools, checks)]
    if faults:
        raise InvalidSubmission(faults)
    return Chat(
        id=chat_id,
        owner=new.owner,
        key=new.key,
        title=new.title or title_of(new.content),
        title_source="words" if new.title is None else "person",
        model=new.model or catalog.default_model,
        system=new.system,
        labels=new.labels,
        metadata=new.metadata,
        on_error=new.on_error,
        dynamic_tools=new.dynamic_tools,
        tools=new.tools,
        requires_action_timeout_seconds=new.requires_action_timeout_seconds,
        status=Status.PENDING,
        snapshot_version=0,
        history_version=0,
        status_version=1,
        usage=Usage(),
        last_message_id=MessageId(0),
        turn_time=TurnTime(),
        phase_since=_UNSET,
        created_at=_UNSET,
        updated_at=_UNSET,
    )


def title_of(content: Sequence[Part]) -> str:
    """Return the first words of a message; a file without words gives its name."""
    words = " ".join(part.text for part in content if isinstance(part, TextPart)).split()
    if words:
        return " ".join(words[:TITLE_WORDS])[:TITLE_CHARACTERS].rstrip()
    names = [part.name for part in content if isinstance(part, FilePart) and part.name]
    return names[0][:TITLE_CHARACTERS] if names else UNTITLED


def require_model(catalog: Catalog, model: str | None) -> None:
    """Raise `InvalidSubmission` for a model that is not declared; None = the default will do."""
    faults = model_faults(catalog, model)
    if faults:
        raise InvalidSubmission(faults)


def model_faults(catalog: Catalog, model: str | None) -> list[FieldFault]:
    """Say what is wrong with the name of a model; None = the default will do."""
    if model is None or model in catalog.models:
        return []
    known = ", ".join(repr(name) for name in catalog.models)
    return [FieldFault(field="model", detail=f"there is no such model; there is {known}")]


def _tool_faults(
    new: NewChat, builtin_tools: Collection[str], checks: SchemaChecks
) -> list[FieldFault]:
    there = ", ".join(repr(name) for name in sorted(builtin_tools))
    known = f"there is {there}" if there else "no worker has published one yet"
    faults = [
        FieldFault(field=f"tools[{number}]", detail=f"there is no such tool; {known}")
        for number, name in enumerate(new.tools or ())
        if name not in builtin_tools
    ]
    if sum(map(_size, new.dynamic_tools)) > MAX_TOOL_BYTES:
        # They stand in the chat's row, which every step reads.
        faults.append(FieldFault(field="dynamic_tools", detail="have 1 MiB at most, together"))
        return faults
    names: set[str] = set()
    for number, tool in enumerate(new.dynamic_tools):
        where = f"dynamic_tools[{number}]"
        if tool.name in names:
            faults.append(FieldFault(field=f"{where}.name", detail="stands there twice"))
        if tool.name in builtin_tools:
            faults.append(FieldFault(field=f"{where}.name", detail="is a built-in tool's"))
        names.add(tool.name)
        reason = checks.fault(tool.input_schema)
        if reason is not None:
            faults.append(FieldFault(field=f"{where}.input_schema", detail=reason))
    return faults


def _size(tool: DynamicTool) -> int:
    return len(orjson.dumps((tool.description, tool.input_schema, tool.default_result)))
