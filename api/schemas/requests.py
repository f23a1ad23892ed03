"""The bodies of requests."""

from typing import Annotated

from pydantic import ConfigDict, Field, JsonValue

from api.schemas.content import Content, Strict
from api.schemas.fields import (
    LONGEST_ACTION_SECONDS,
    MAX_TOOLS,
    ActionSeconds,
    Author,
    Busy,
    ChatKey,
    Labels,
    Metadata,
    ModelName,
    System,
    Title,
    WhenError,
    omitted,
)
from shared.chats.model.statuses import BusyBehavior, OnError


class NewDynamicTool(Strict):
    """A tool that the client executes when the model calls it."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: Annotated[str, Field(max_length=10_000)]
    input_schema: Annotated[dict[str, JsonValue], Field(description="a JSON Schema")]
    timeout_seconds: Annotated[float, Field(gt=0, le=LONGEST_ACTION_SECONDS)] | None = None
    default_result: Annotated[
        JsonValue, Field(description="the result at the deadline; else an error")
    ] = None


class NewChat(Strict):
    """A chat and its first message."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "content": "Summarise the incident of last night",
                    "system": "You help the operations team. Be brief.",
                    "key": "slack/C024BE91L/1763650000.000100",
                    "labels": {"team": "operations"},
                    "on_error": "continue",
                    "dynamic_tools": [
                        {
                            "name": "page_person",
                            "description": "Page the person on duty",
                            "input_schema": {
                                "type": "object",
                                "properties": {"reason": {"type": "string"}},
                                "required": ["reason"],
                            },
                            "timeout_seconds": 600,
                        }
                    ],
                }
            ]
        }
    )

    content: Content
    model: ModelName | None = None
    system: System | None = None
    title: Title | None = None
    key: ChatKey | None = None
    labels: Labels = Field(default_factory=dict[str, str])
    metadata: Metadata = Field(default_factory=dict[str, JsonValue])
    dynamic_tools: Annotated[list[NewDynamicTool], Field(max_length=MAX_TOOLS)] = Field(
        default_factory=list[NewDynamicTool]
    )
    tools: Annotated[
        list[str] | None, Field(max_length=MAX_TOOLS, description="built-in tools; null = all")
    ] = None
    requires_action_timeout_seconds: ActionSeconds | None = None
    on_error: WhenError = OnError.HOLD


class NewMessage(Strict):
    """A message to a chat."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "content": [
                        {"type": "text", "text": "And what does this log say?"},
                        {
                            "type": "file",
                            "media_type": "text/plain",
                            "data": "aGVsbG8K",
                            "name": "a.log",
                        },
                    ],
                    "busy_behavior": "interrupt",
                    "author": "Ann",
                }
            ]
        }
    )

    content: Content
    busy_behavior: Busy = BusyBehavior.QUEUE
    model: ModelName | None = None
    author: Author | None = None
    metadata: Metadata | None = None


class KeyedMessage(NewChat):
    """A message to the chat with the key in the path; the rest counts if it has to be created."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"content": "Disk full on db-3", "labels": {"source": "alerts"}}]
        }
    )

    busy_behavior: Busy = BusyBehavior.QUEUE
    author: Author | None = None


class NewContent(Strict):
    """What a user message shall say instead."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"content": "Summarise the incident of the night before"}]}
    )

    content: Content


class ChatChanges(Strict):
    """The fields to set; what is left out stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"title": "Incident of 20 November", "labels": {"team": "operations"}}]
        }
    )

    title: Title = omitted()
    labels: Labels = omitted()
    metadata: Metadata = omitted()
    archived: bool = omitted()
    model: ModelName = omitted()


class Interruption(Strict):
    """How to stop a turn."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"clear_queue": True}]})

    clear_queue: bool = False


class Nothing(Strict):
    """No field at all."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})
