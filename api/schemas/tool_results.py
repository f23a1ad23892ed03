"""The body of a request that brings the results of dynamic tools."""

from typing import Annotated, Final

from pydantic import ConfigDict, Field, JsonValue

from api.schemas.content import Strict
from api.schemas.fields import MAX_TOOLS

_MAX_RESULTS: Final = MAX_TOOLS * 4


class NewToolResult(Strict):
    """What came of one call."""

    tool_call_id: Annotated[str, Field(min_length=1, max_length=1000)]
    output: Annotated[JsonValue, Field(description="any JSON; what the model gets to see")]
    is_error: bool = False


class NewToolResults(Strict):
    """The results of the calls that the chat waits for: of all of them, unless `partial`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"results": [{"tool_call_id": "call_1", "output": {"celsius": 21}}]}]
        }
    )

    results: Annotated[list[NewToolResult], Field(min_length=1, max_length=_MAX_RESULTS)]
    partial: bool = False
