"""The parts of messages as clients see them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from api.schemas.fields import omitted


class _Part(BaseModel):
    """A shape that has no other fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(_Part):
    """Something said."""

    type: Literal["text"]
    text: str


class Reasoning(_Part):
    """The model's thinking, as its provider shows it."""

    type: Literal["reasoning"]
    text: str


class ToolCall(_Part):
    """The model asks for a tool; `args` is the raw text where that is not JSON."""

    type: Literal["tool-call"]
    tool_call_id: str
    tool_name: str
    args: JsonValue
    provider_executed: bool = omitted()
    created_at: Annotated[datetime, Field(description="when the model emitted it")] = omitted()


class ToolResult(_Part):
    """What came of a tool call."""

    type: Literal["tool-result"]
    tool_call_id: str
    tool_name: str
    result: JsonValue
    is_error: bool = omitted()
    is_media: bool = omitted()
    provider_executed: bool = omitted()
    created_at: Annotated[datetime, Field(description="when the tool ended")] = omitted()


class Source(_Part):
    """A page that the model cites."""

    type: Literal["source"]
    source_id: str
    url: str
    title: str


class File(_Part):
    """A file."""

    type: Literal["file"]
    media_type: str
    name: str = omitted()
    data: Annotated[str, Field(description="base64")] = omitted()


AnyPart = Annotated[
    Text | Reasoning | ToolCall | ToolResult | Source | File, Field(discriminator="type")
]
