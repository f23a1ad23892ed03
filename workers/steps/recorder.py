"""What a step tells the metrics."""

from enum import StrEnum
from typing import Protocol

from shared.chats.model.statuses import Move
from shared.config.catalog import Model
from workers.providers.protocol import Request


class Stage(StrEnum):
    """The parts of a step's time; together they are the step."""

    QUEUE = "queue"  # from due to begun
    BEGIN = "begin"  # the transaction that takes the lease
    PROVIDER = "provider"  # the model call
    TOOLS = "tools"  # the built-in tools
    SETTLE = "settle"  # the transaction that ends the step, and the one that commits its calls


class StepRecorder(Protocol):
    """Takes what happened, from any thread."""

    def request(self, model: Model, request: Request) -> None:
        """A model call is about to be made."""
        ...

    def first_part(self, model: Model, seconds: float) -> None:
        """The first part came so many seconds after the opening of the request."""
        ...

    def stage(self, stage: Stage, seconds: float) -> None:
        """A stage of a step took so long."""
        ...

    def streaming(self, change: int) -> None:
        """One more step streams (1), or one less (-1)."""
        ...

    def settled(self, model: Model | None, move: Move) -> None:
        """A move was written that may have ended a step; `model` was asked in it, None = nobody."""
        ...
