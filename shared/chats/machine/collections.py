"""What hangs on a chat's row, as moves see it: its queue, its history, its ledger of tools.

In SQL they are `shared.chats.store`'s; the tests have a form in memory, under the same contract.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from shared.chats.model.ids import LeaseId, MessageId, QueuedId, TurnId
from shared.chats.model.messages import (
    Message,
    NewMessage,
    Prompt,
    QueuedMessage,
    UserMessage,
)
from shared.chats.model.parts import ToolResultPart
from shared.chats.model.tool_runs import RunKey, RunState, ToolRun
from shared.chats.store.written import Written


class Queue(Protocol):
    """The messages that wait: interrupting ones first, then in the order they came."""

    def append(
        self, turn_id: TurnId, message: UserMessage, *, interrupting: bool, now: datetime
    ) -> QueuedMessage:
        """Put a message behind the others of its class, with a new turn that is queued."""
        ...

    def pop_head(self) -> QueuedMessage | None:
        """Take the message that is next."""
        ...

    def remove(self, queued_id: QueuedId) -> QueuedMessage | None:
        """Take one message out; None = it is not there."""
        ...

    def clear(self) -> Sequence[QueuedMessage]:
        """Take all messages out and return them."""
        ...

    def move_to_head(self, queued_id: QueuedId) -> bool:
        """Make a message the next one, and interrupting; False = it is not there."""
        ...

    def has_interrupting(self) -> bool:
        """Say whether an interrupting message waits."""
        ...

    def load(self) -> Sequence[QueuedMessage]:
        """Return the messages in the order in which they will be promoted."""
        ...


class History(Protocol):
    """The messages of the chat. Reads see what was inserted in the same change."""

    def insert(
        self, rows: Sequence[NewMessage], *, revision: int, attempt: int, now: datetime
    ) -> list[MessageId]:
        """Add messages in their order; return their ids, which rise over all earlier ones."""
        ...

    def find(self, message_id: MessageId) -> Message | None:
        """Return one current message."""
        ...

    def remove_from(self, first: MessageId, *, revision: int, now: datetime) -> None:
        """Remove a message and all after it; readers are told by the `revision`."""
        ...

    def since_calls(self, turn_id: TurnId) -> Sequence[Message]:
        """Return a turn's current messages from its newest calls on, oldest first.

        Calls before those are answered: the model is not asked again before they are.
        """
        ...


class Ledger(Protocol):
    """Which calls of built-in tools were started, under which lease, and what came of them."""

    def load(self, message_ids: Collection[MessageId]) -> Mapping[RunKey, ToolRun]:
        """Return what there is of the calls of these messages."""
        ...

    def find(self, key: RunKey) -> ToolRun | None:
        """Return what there is of a call."""
        ...

    def claim(
        self, key: RunKey, *, tool: str, arguments_hash: str, lease_id: LeaseId, now: datetime
    ) -> bool:
        """Claim a call that nobody has started; False = it is there already."""
        ...

    def claim_again(self, key: RunKey, *, lease_id: LeaseId, now: datetime) -> None:
        """Take over the claim of a lease that is over, to run the call once more."""
        ...

    def end(self, key: RunKey, *, state: RunState, result: ToolResultPart, now: datetime) -> None:
        """Write what came of a claimed call; one that has its result already keeps it."""
        ...


class Rows(Protocol):
    """Where a change is written in the end: the chat, its turns and its new messages, at once."""

    def write(self, written: Written) -> None:
        """Write all."""
        ...

    def write_and_load_prompt(self, written: Written) -> Prompt:
        """Write all, and return what the model may see."""
        ...
