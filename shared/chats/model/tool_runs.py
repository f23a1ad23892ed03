"""A row of the ledger of tools: which call was started, and what came of it."""

from dataclasses import dataclass
from enum import StrEnum

from shared.chats.model.ids import ChatId, LeaseId, MessageId
from shared.chats.model.parts import ToolResultPart


class RunState(StrEnum):
    """How far a run has come."""

    CLAIMED = "claimed"  # it was started, or is about to be
    DONE = "done"  # it ended, and its result is here
    UNKNOWN = "unknown"  # nobody will ever know how it ended


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKey:
    """One call of one message; `index` is its place in the message's content."""

    chat_id: ChatId
    message_id: MessageId
    index: int

    def __str__(self) -> str:
        """Return what tells this call from all others: the idempotency key that tools get."""
        return f"{self.chat_id}/{self.message_id}/{self.index}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRun:
    """A row of the ledger; a result is there when the state is not `claimed`.

    One that this version can't read is not there: it counts as unknown.
    """

    state: RunState
    lease_id: LeaseId
    runs: int
    result: ToolResultPart | None
