"""Read-only questions about chats: one chat, its id by its key, lists with cursors."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    Connection,
    select,
    true,
)

from shared.chats.model.chat import Chat
from shared.chats.model.ids import ChatId
from shared.chats.model.statuses import Status
from shared.chats.store.chat_row import read_chat
from shared.chats.store.tables import chats


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatFilter:
    """Which chats to list; None and empty leave a condition out. All labels must match."""

    owner: str | None = None
    status: Status | None = None
    key: str | None = None
    archived: bool | None = None
    labels: Sequence[tuple[str, str]] = ()


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
