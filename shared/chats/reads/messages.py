"""Read-only questions about the messages of a chat and its queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    func,
    select,
)

from shared.chats.model.ids import ChatId, MessageId
from shared.chats.model.messages import Message, QueuedMessage
from shared.chats.store.messages import read_message
from shared.chats.store.queue import SqlQueue
from shared.chats.store.tables import messages

MAX_PAGE_BYTES: Final = 32 * 1024 * 1024
"""Files make large messages: two hundred of them would not fit into the memory of a process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePage:
    """Messages, and whether there are more behind them."""

    items: Sequence[Message]
    more: bool


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
    return SqlQueue(connection, chat_id).load()


def _shown(chat_id: ChatId) -> ColumnElement[bool]:
    return and_(
        messages.c.chat_id == chat_id,
        messages.c.deleted_at.is_(None),
        messages.c.visibility != "model",
    )
