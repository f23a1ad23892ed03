"""The names of stream events and the values that travel from a worker to the API processes."""

from dataclasses import dataclass
from enum import StrEnum

from shared.chats.model.lease import Episode
from shared.chats.model.messages import Role
from shared.chats.model.parts import Part
from shared.jsonvalue import JsonObject


class EventName(StrEnum):
    """An event of a chat's stream."""

    STATUS = "status"  # the chat's status changed
    MESSAGE = "message"  # a message was committed
    MESSAGE_PART = "message_part"  # a piece of the answer in progress
    RETRY = "retry"  # the attempt failed and is repeated later; drop the preview
    PREVIEW_RESET = "preview_reset"  # the attempt ended without a message; drop the preview
    HISTORY_RESET = "history_reset"  # messages were removed; all current ones follow
    QUEUE_UPDATE = "queue_update"  # the queue as it is now
    ACTION_REQUIRED = "action_required"  # dynamic tool calls wait for the client
    ERROR = "error"  # the turn ended in a terminal failure
    TITLE = "title"  # the title as it is now
    CHAT_DELETED = "chat_deleted"  # the chat is gone, and with it the stream
    TURN_END = "turn_end"  # a turn ended or paused


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedCall:
    """More raw JSON of the arguments of a tool call that is being streamed."""

    tool_call_id: str
    tool_name: str
    args_delta: str
    provider_metadata: JsonObject | None = None


Delta = Part | StreamedCall
"""What is streamed of a part. Text and reasoning carry the new text only; the others are whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartEntry:
    """A numbered piece of an episode; `index` is the part's place in its message.

    A merged entry stands for all from `first_seq` to `seq`; else both are the same.
    """

    seq: int
    first_seq: int
    index: int
    role: Role
    delta: Delta


@dataclass(frozen=True, slots=True, kw_only=True)
class PartBatch:
    """Entries of one episode, as they are published together."""

    episode: Episode
    entries: tuple[PartEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedHint:
    """The chat is at this snapshot: read the database."""

    snapshot_version: int


ChatNote = ChangedHint | PartBatch
"""What is published on the channel of a chat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelHint:
    """The step of this chat under this lease is no longer wanted."""

    chat_id: str
    lease_id: str
    reason: str
