"""What a stream reads of a chat: all in one statement, for every change of every watched chat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, select

from shared.chats.model.chat import Chat
from shared.chats.model.ids import ChatId, MessageId, QueuedId, TurnId
from shared.chats.model.messages import Message, QueuedMessage
from shared.chats.model.statuses import LEASED, TurnStatus
from shared.chats.model.turns import TurnOutcome
from shared.chats.store import codec
from shared.chats.store.chat_row import read_chat
from shared.chats.store.messages import read_message
from shared.chats.store.statements import stream as stream_query
from shared.chats.store.tables import chats
from shared.db.statement import Row, Statement

_FROM_ID: Final = Statement(stream_query.from_id())
_FROM_NEWEST: Final = Statement(stream_query.from_newest())
_FROM_TURN: Final = Statement(stream_query.from_turn())


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """What a reader has already: messages up to `message`.

    Or it wants the `newest` ones, or those from the beginning of `turn` on. The queue up to the
    snapshot `state`; the ends of turns and the removals of messages up to `turns`. `turn` is one
    whose outcome is wanted whenever that was.
    """

    message: int = 0
    newest: int | None = None
    from_turn: bool = False
    state: int = 0
    turns: int = 0
    turn: TurnId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """At the snapshot `revision` messages were removed, the oldest of them `first`."""

    revision: int
    first: MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamView:
    """A chat at one snapshot, with what is newer in it than a `Since`.

    `messages` are the visible ones, oldest first, as many as fit a page; `more` follow. The
    `queue` is only there when it is newer. `turn` is the one that was asked for.
    """

    chat: Chat
    messages: tuple[Message, ...] = ()
    more: bool = False
    newest: int | None = None
    queue: tuple[QueuedMessage, ...] = ()
    removals: tuple[Removal, ...] = ()
    outcomes: tuple[TurnOutcome, ...] = ()
    turn: TurnOutcome | None = None

    @property
    def snapshot(self) -> int:
        """The version of the chat that this is."""
        return self.chat.snapshot_version

    @property
    def live(self) -> bool:
        """A worker is at the episode: parts of it may come."""
        return self.chat.status in LEASED


def read_view(connection: Connection, chat_id: ChatId, since: Since) -> StreamView | None:
    """Return the chat as it is now and what is newer than `since`; None when it does not exist.

    One statement, so one snapshot; on a connection in autocommit also one round trip.
    """
    parameters = {
        "chat": chat_id,
        "state": since.state,
        "turns": since.turns,
        "turn": since.turn,
    }
    if since.from_turn:
        row = _FROM_TURN.first(connection, parameters)
    elif since.newest is not None:
        row = _FROM_NEWEST.first(connection, {**parameters, "newest": since.newest})
    else:
        row = _FROM_ID.first(connection, {**parameters, "first": since.message + 1})
    return None if row is None else _view(row, since)


def read_versions(connection: Connection, chat_ids: Sequence[ChatId]) -> dict[ChatId, int]:
    """Return the snapshot versions of these chats; one that does not exist is missing."""
    statement = select(chats.c.id, chats.c.snapshot_version).where(chats.c.id.in_(chat_ids))
    return {ChatId(row.id): row.snapshot_version for row in connection.execute(statement)}


def _view(row: Row, since: Since) -> StreamView:
    messages = tuple(_message(one) for one in row["messages"] or ())
    turns = [_outcome(one) for one in row["turn"] or ()]
    return StreamView(
        chat=read_chat(row),
        messages=messages,
        more=bool(messages) and messages[-1].id < row["newest_id"],
        newest=since.newest,
        queue=tuple(_queued(one) for one in row["queue"] or ()),
        removals=tuple(
            Removal(revision=one["revision"], first=one["first"]) for one in row["removals"] or ()
        ),
        outcomes=tuple(_outcome(one) for one in row["outcomes"] or ()),
        turn=turns[0] if turns else None,
    )


def _message(row: Mapping[str, Any]) -> Message:
    values = {
        **row,
        "chat_id": UUID(row["chat_id"]),
        "turn_id": None if row["turn_id"] is None else UUID(row["turn_id"]),
        "created_at": datetime.fromisoformat(row["created_at"]),
    }
    return read_message(values)


def _queued(row: Mapping[str, Any]) -> QueuedMessage:
    return QueuedMessage(
        id=QueuedId(row["id"]),
        chat_id=ChatId(UUID(row["chat_id"])),
        turn_id=TurnId(UUID(row["turn_id"])),
        position=row["position"],
        interrupting=row["interrupting"],
        content=codec.load_parts(row["content"]),
        created_at=datetime.fromisoformat(row["created_at"]),
        model=row["model"],
        author=row["author"],
        metadata=row["metadata"],
    )


def _outcome(row: Mapping[str, Any]) -> TurnOutcome:
    return TurnOutcome(
        turn_id=TurnId(UUID(row["id"])),
        status=TurnStatus(row["status"]),
        revision=row["outcome_revision"],
        user_message_id=row["user_message_id"],
        answer_message_id=row["answer_message_id"],
        error=codec.load_error(row["error"]),
    )
