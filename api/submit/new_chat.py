"""Builds the row of a chat that is about to be created. Refuses what the catalog does not know."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import orjson

from api.deps import Deps
from api.http.json_schema import SchemaChecks
from api.problems import FieldFault, invalid
from api.schemas.requests import NewChat, NewDynamicTool
from shared.chats.model.chat import Chat, DynamicTool
from shared.chats.model.ids import ChatId, MessageId
from shared.chats.model.messages import Usage
from shared.chats.model.parts import FilePart, Part, TextPart
from shared.chats.model.statuses import Status
from shared.chats.model.timing import TurnTime
from shared.config.catalog import Catalog

MAX_TOOL_BYTES: Final = 1024 * 1024
TITLE_WORDS: Final = 6
TITLE_CHARACTERS: Final = 80
UNTITLED: Final = "New chat"


_UNSET: Final = datetime.fromtimestamp(0, UTC)
"""Stands for the times until the chat is inserted: they are the database's."""


def build_chat(
    deps: Deps, new: NewChat, *, owner: str, key: str | None, content: Sequence[Part]
) -> Chat:
    """Return the row of a new chat. Raise `Problem`, which names every field at fault."""
    faults = [
        *model_faults(deps.catalog, new.model),
        *_tool_faults(new, deps.builtin_tools, deps.schema_checks),
    ]
    if faults:
        raise invalid(faults)
    return Chat(
        id=ChatId(deps.new_id()),
        owner=owner,
        key=key,
        title=new.title or title_of(content),
        title_source="words" if new.title is None else "person",
        model=new.model or deps.catalog.default_model,
        system=new.system,
        labels=new.labels,
        metadata=new.metadata,
        on_error=new.on_error,
        dynamic_tools=tuple(_tool(tool) for tool in new.dynamic_tools),
        tools=None if new.tools is None else tuple(new.tools),
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


def model_faults(catalog: Catalog, model: str | None) -> list[FieldFault]:
    """Say what is wrong with the name of a model; None = the default will do."""
    if model is None or model in catalog.models:
        return []
    known = ", ".join(repr(name) for name in catalog.models)
    return [FieldFault(field="model", detail=f"there is no such model; there is {known}")]


def _tool_faults(new: NewChat, builtins: frozenset[str], checks: SchemaChecks) -> list[FieldFault]:
    known = ", ".join(repr(name) for name in sorted(builtins))
    faults = [
        FieldFault(field=f"tools[{number}]", detail=f"there is no such tool; there is {known}")
        for number, name in enumerate(new.tools or ())
        if name not in builtins
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
        if tool.name in builtins:
            faults.append(FieldFault(field=f"{where}.name", detail="is a built-in tool's"))
        names.add(tool.name)
        reason = checks.fault(tool.input_schema)
        if reason is not None:
            faults.append(FieldFault(field=f"{where}.input_schema", detail=reason))
    return faults


def _size(tool: NewDynamicTool) -> int:
    return len(orjson.dumps((tool.description, tool.input_schema, tool.default_result)))


def _tool(tool: NewDynamicTool) -> DynamicTool:
    return DynamicTool(
        name=tool.name,
        description=tool.description,
        input_schema=tool.input_schema,
        timeout_seconds=tool.timeout_seconds,
        default_result=tool.default_result,
        has_default="default_result" in tool.model_fields_set,
    )
