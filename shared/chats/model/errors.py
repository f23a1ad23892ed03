"""Why a move is refused or a step may not write. The docstring is the sentence."""

from collections.abc import Sequence

from shared.chats.model.statuses import Move, Status


class ChatsError(Exception):
    """A chat can't do what was asked."""

    def __str__(self) -> str:
        """Say the class's sentence, or what the raiser said."""
        return super().__str__() or (type(self).__doc__ or "")


class ChatNotFound(ChatsError):
    """There is no such chat."""


class MessageNotFound(ChatsError):
    """There is no such message in this chat."""


class NotAUserMessage(ChatsError):
    """Only a user message can be edited."""


class QueuedNotFound(ChatsError):
    """There is no such message in this chat's queue."""


class MoveNotAllowed(ChatsError):
    """The chat's status does not allow this move."""

    def __init__(self, *, move: Move, found: Status, allowed: tuple[Status, ...]) -> None:
        """Keep the status that was found and those that would do."""
        names = ", ".join(status.value for status in allowed)
        super().__init__(
            f"{move.value} is not possible while the chat is {found.value!r}; it is in: {names}"
        )
        self.move, self.found, self.allowed = move, found, allowed


class ChatArchived(ChatsError):
    """The chat is archived: unarchive it first."""


class ChatBusy(ChatsError):
    """The chat is busy and the message asked to be refused in that case."""

    def __init__(self, *, found: Status) -> None:
        """Keep the status that was found."""
        super().__init__(
            f"the chat is {found.value!r}: wait for its turn to end, or send with"
            " busy_behavior 'queue' or 'interrupt'"
        )
        self.found = found


class QueueFull(ChatsError):
    """The chat's queue is full."""

    def __init__(self, *, limit: int) -> None:
        """Keep the limit."""
        super().__init__(
            f"the queue of this chat holds {limit} messages, its limit: wait for a turn to end"
        )
        self.limit = limit


class KeyTaken(ChatsError):
    """The owner has another chat with this key."""

    def __init__(self, *, key: str) -> None:
        """Keep the key."""
        super().__init__(f"a chat with the key {key!r} exists: send to it, or choose another key")
        self.key = key


class NothingToCompact(ChatsError):
    """There is no history that a summary could stand for."""


class StaleFence(ChatsError):
    """The step lost its chat: the history or the lease is no longer the one it began with."""


class WorkerDead(ChatsError):
    """This worker is marked dead, or has not renewed itself in time: it may begin nothing."""


class InvalidToolResults(ChatsError):
    """These are not the results that the chat waits for."""

    def __init__(self, *, reason: str, tool_call_ids: Sequence[str]) -> None:
        """Keep what is wrong, and with which calls."""
        names = ", ".join(repr(id_) for id_ in tool_call_ids)
        super().__init__(f"{reason} {names}")
        self.reason, self.tool_call_ids = reason, tuple(tool_call_ids)


class StepStopped(ChatsError):
    """A person stopped the step: it may start nothing more."""
