"""Cuts the results of tools to their models and counts them: both kinds, on both sides."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.chats.model.parts import ToolResultPart
from shared.config.catalog import Model
from shared.metrics.metrics import Metrics
from shared.tools.results import cut, result_size, room_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRecorder:
    """Writes into the metrics of this process. Safe between threads."""

    metrics: Metrics
    models: Mapping[str, Model]

    def fit(self, model: str, part: ToolResultPart) -> ToolResultPart:
        """Return the result with its text cut to the room of a model."""
        declared = self.models.get(model)
        return cut(part, room_of(declared.context_limit if declared else 0))

    def result(self, model: str, tool: str, part: ToolResultPart, *, truncated: bool) -> None:
        """Count a result that a model is about to get.

        `tool` is a built-in tool's name, or one of `DYNAMIC_TOOL` and `UNKNOWN_TOOL`: names that
        clients and models choose are without number.
        """
        declared = self.models.get(model)
        labels = {
            "provider": declared.provider if declared else "",
            "model": declared.name if declared else "",
            "tool_name": tool,
        }
        self.metrics.tool_result_size_bytes.labels(**labels).observe(result_size(part))
        if part.is_error:
            self.metrics.tool_errors_total.labels(**labels).inc()
        if truncated:
            self.metrics.tool_result_truncated_total.labels(**labels).inc()
