"""The fields that several requests share, with their limits."""

from typing import Annotated, Any, Final

import orjson
from pydantic import AfterValidator, Field, JsonValue, Strict
from pydantic_core import PydanticCustomError

from shared.chats.model.statuses import BusyBehavior, OnError

MAX_METADATA_BYTES = 16 * 1024
MAX_LABELS = 50
MAX_KEY_CHARACTERS = 200
LONGEST_ACTION_SECONDS = 7 * 24 * 3600
MAX_TOOLS = 250

Title = Annotated[str, Field(min_length=1, max_length=200)]
ChatKey = Annotated[
    str,
    Field(
        min_length=1, max_length=MAX_KEY_CHARACTERS, description="unique among the owner's chats"
    ),
]
ModelName = Annotated[str, Field(min_length=1, max_length=200, description="see GET /v1/models")]
Author = Annotated[str, Field(min_length=1, max_length=200)]
System = Annotated[str, Field(max_length=10_000)]
ActionSeconds = Annotated[int, Field(ge=1, le=LONGEST_ACTION_SECONDS)]

LabelName = Annotated[str, Field(min_length=1, max_length=64)]
LabelValue = Annotated[str, Field(max_length=256)]
Labels = Annotated[dict[LabelName, LabelValue], Field(max_length=MAX_LABELS)]


def _small(metadata: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if len(orjson.dumps(metadata)) > MAX_METADATA_BYTES:
        raise PydanticCustomError("too_large", "must have at most 16 KiB as JSON")
    return metadata


Metadata = Annotated[
    dict[str, JsonValue], AfterValidator(_small), Field(description="at most 16 KiB as JSON")
]

# JSON has no enums: the text of a member is one.
Busy = Annotated[BusyBehavior, Strict(False)]
WhenError = Annotated[OnError, Strict(False)]


def omitted() -> Any:
    """Return the default of a field that may be left out, but is never null; None inside."""
    return Field(default_factory=lambda: None)


MAX_ID: Final = 2**63 - 1
