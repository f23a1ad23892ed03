"""Read-only questions about chats: one chat, lists with cursors, messages, the queue, turns.

Nothing here locks: an answer is as old as its statement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    case,
    func,
    lateral,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from shared.chats import codec, queue_store
from shared.chats.message_store import read_message
from shared.chats.record import Chat, read_chat
from shared.chats.states import Status, TurnStatus
from shared.chats.tables import chats, messages, turns
from shared.chats.types import (
    ChatError,
    ChatId,
    Message,
    MessageId,
    QueuedMessage,
    TurnId,
    TurnTime,
    Usage,
)

MAX_PAGE_BYTES: Final = 32 * 1024 * 1024
"""Files make large messages: two hundred of them would not fit into the memory of a process."""

_COUNTS: Final = (
    "input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cache_read_tokens",
    "cache_creation_tokens",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One user message and all that answered it so far; `usage` is the sum over its messages."""

    id: TurnId
    chat_id: ChatId
    status: TurnStatus
    user_message_id: MessageId | None
    answer_message_id: MessageId | None
    error: ChatError | None
    usage: Usage
    steps: int
    time: TurnTime
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatFilter:
    """Which chats to list; None and empty leave a condition out. All labels must match."""

    owner: str | None = None
    status: Status | None = None
    key: str | None = None
    archived: bool | None = None
    labels: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePage:
    """Messages, and whether there are more behind them."""

    items: Sequence[Message]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How many chats wait for a worker; the age is over due ones, from when they became due."""

    due: int
    backing_off: int
    oldest_seconds: float


def find_chat(connection: Connection, chat_id: ChatId, *, owner: str | None = None) -> Chat | None:
    """Return a chat; with `owner` only if it is that owner's."""
    statement = select(chats).where(chats.c.id == chat_id)
    if owner is not None:
        statement = statement.where(chats.c.owner == owner)
    row = connection.execute(statement).mappings().first()
    return None if row is None else read_chat(row)


def find_chat_id(connection: Connection, *, owner: str, key: str) -> ChatId | None:
    """Return the id of the owner's chat with this key."""
    statement = select(chats.c.id).where(chats.c.owner == owner, chats.c.key == key)
    found = connection.execute(statement).scalar()
    return None if found is None else ChatId(found)


def list_chats(
    connection: Connection, which: ChatFilter, *, limit: int, before: ChatId | None = None
) -> list[Chat]:
    """Return chats, the newest first; `before` is the last one of the page before.

    They come without their dynamic tools, which are large and shown nowhere.
    """
    conditions = [
        *((chats.c.owner == which.owner,) if which.owner is not None else ()),
        *((chats.c.status == which.status.value,) if which.status is not None else ()),
        *((chats.c.key == which.key,) if which.key is not None else ()),
        *((chats.c.archived.is_(which.archived),) if which.archived is not None else ()),
        *(chats.c.labels.contains({name: value}) for name, value in which.labels),
        *((chats.c.id < before,) if before is not None else ()),
    ]
    # Ids are UUIDv7, so that their order is the order of creation.
    statement = (
        select(*(column for column in chats.c if column is not chats.c.dynamic_tools))
        .where(true(), *conditions)
        .order_by(chats.c.id.desc())
        .limit(limit)
    )
    rows = connection.execute(statement).mappings()
    return [read_chat({**row, "dynamic_tools": ()}) for row in rows]


def list_messages(
    connection: Connection,
    chat_id: ChatId,
    *,
    limit: int,
    before: MessageId | None = None,
    after: MessageId | None = None,
) -> MessagePage:
    """Return messages of the transcript, newest first; with `after` the oldest first."""
    conditions = [_shown(chat_id)]
    if before is not None:
        conditions.append(messages.c.id < before)
    if after is not None:
        conditions.append(messages.c.id > after)
    order = messages.c.id.desc() if after is None else messages.c.id.asc()
    # The size is known without reading the content.
    sizes = (
        select(messages.c.id, func.pg_column_size(messages.c.content))
        .where(*conditions)
        .order_by(order)
        .limit(limit + 1)
    )
    found = [(row[0], row[1]) for row in connection.execute(sizes)]
    ids = _fitting(found[:limit])
    statement = select(messages).where(messages.c.id.in_(ids)).order_by(order)
    rows = connection.execute(statement).mappings()
    return MessagePage(items=[read_message(row) for row in rows], more=len(found) > len(ids))


def _fitting(found: Sequence[tuple[int, int]]) -> list[int]:
    """Return the ids of a page that does not get too large: one message, or as many as fit."""
    total = 0
    ids: list[int] = []
    for id_, size in found:
        total += size
        if ids and total > MAX_PAGE_BYTES:
            break
        ids.append(id_)
    return ids


def load_queue(connection: Connection, chat_id: ChatId) -> Sequence[QueuedMessage]:
    """Return the queue in the order in which it will be promoted."""
    return queue_store.load(connection, chat_id)


def find_turn(connection: Connection, chat_id: ChatId, turn_id: TurnId) -> Turn | None:
    """Return a turn of this chat."""
    spent = lateral(_spent()).alias("spent")
    # What is booked to the current turn stands on the chat until the turn ends.
    going_on = and_(chats.c.current_turn_id == turns.c.id, turns.c.ended_at.is_(None))
    statement = (
        select(
            turns,
            case((going_on, chats.c.turn_time), else_=turns.c.time).label("spent_time"),
            *spent.c,
        )
        .select_from(turns.join(chats, chats.c.id == turns.c.chat_id).join(spent, true()))
        .where(turns.c.chat_id == chat_id, turns.c.id == turn_id)
    )
    row = connection.execute(statement).mappings().first()
    return None if row is None else _turn(row)


def _spent() -> Select[Any]:
    """Sum what the messages of a turn cost; those of an answer edited away were paid for too."""
    limits = func.array_agg(aggregate_order_by(messages.c.context_limit, messages.c.id.desc()))
    return select(
        *(func.coalesce(func.sum(messages.c[name]), 0).label(name) for name in _COUNTS),
        limits.filter(messages.c.context_limit > 0).label("limits"),
    ).where(
        messages.c.chat_id == turns.c.chat_id,
        messages.c.turn_id == turns.c.id,
        # They come after the user's message, which spares reading the chat from its beginning.
        messages.c.id >= func.coalesce(turns.c.user_message_id, 0),
    )


def _turn(row: RowMapping) -> Turn:
    limits = row["limits"]
    counts = {name: int(row[name]) for name in _COUNTS}
    return Turn(
        id=TurnId(row["id"]),
        chat_id=ChatId(row["chat_id"]),
        status=TurnStatus(row["status"]),
        user_message_id=row["user_message_id"],
        answer_message_id=row["answer_message_id"],
        error=codec.load_error(row["error"]),
        usage=Usage(**counts, context_limit=int(limits[0]) if limits else 0),
        steps=row["steps"],
        time=codec.load_turn_time(row["spent_time"]),
        created_at=row["created_at"],
        ended_at=row["ended_at"],
    )


def count_waiting(connection: Connection) -> Waiting:
    """Count the chats that wait for a worker, by the database's clock."""
    now = func.clock_timestamp()
    due = func.coalesce(chats.c.retry_at, now) <= now
    # Not enqueued_at: the sweeper renews that, and the chat has waited all the same.
    age = func.extract("epoch", now - func.greatest(chats.c.phase_since, chats.c.retry_at))
    statement = select(
        func.count().filter(due),
        func.count().filter(~due),
        func.coalesce(func.max(age).filter(due), 0),
    ).where(chats.c.status == Status.PENDING.value)
    due_count, backing_off, oldest = connection.execute(statement).one()
    return Waiting(due=due_count, backing_off=backing_off, oldest_seconds=max(float(oldest), 0.0))


def _shown(chat_id: ChatId) -> ColumnElement[bool]:
    return and_(
        messages.c.chat_id == chat_id,
        messages.c.deleted_at.is_(None),
        messages.c.visibility != "model",
    )
