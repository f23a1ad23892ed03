"""The queue of a chat in SQL: interrupting messages first, then in the order they came."""

from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, func, insert, select, update

from shared.chats.model.ids import ChatId, QueuedId, TurnId
from shared.chats.model.messages import QueuedMessage, UserMessage
from shared.chats.model.statuses import TurnStatus
from shared.chats.store import codec
from shared.chats.store.statements import chat as row_query
from shared.chats.store.tables import queued_messages as queued
from shared.db.statement import Statement

_ORDER = (queued.c.interrupting.desc(), queued.c.position)
_INSERT_TURN: Final = Statement(row_query.insert_turn())


class SqlQueue:
    """The messages that wait in a chat whose row is locked; a `machine.collections.Queue`."""

    def __init__(self, connection: Connection, chat_id: ChatId) -> None:
        """Take the transaction that holds the lock."""
        self._connection = connection
        self._chat_id = chat_id

    def append(
        self, turn_id: TurnId, message: UserMessage, *, interrupting: bool, now: datetime
    ) -> QueuedMessage:
        """Put a message behind the others of its class, with a new turn that is queued."""
        turn = {"id": turn_id, "chat_id": self._chat_id, "created_at": now}
        _INSERT_TURN.run(self._connection, {**turn, "status": TurnStatus.QUEUED.value})
        last = select(func.coalesce(func.max(queued.c.position), 0)).where(self._of_chat())
        statement = (
            insert(queued)
            .values(
                chat_id=self._chat_id,
                turn_id=turn_id,
                position=last.scalar_subquery() + 1,
                interrupting=interrupting,
                content=codec.dump_parts(message.content),
                model=message.model,
                author=message.author,
                metadata=message.metadata,
                created_at=now,
            )
            .returning(queued)
        )
        return _read(self._connection.execute(statement).mappings().one())

    def pop_head(self) -> QueuedMessage | None:
        """Take the message that is next."""
        head = select(queued.c.id).where(self._of_chat()).order_by(*_ORDER).limit(1)
        statement = delete(queued).where(queued.c.id == head.scalar_subquery()).returning(queued)
        row = self._connection.execute(statement).mappings().first()
        return None if row is None else _read(row)

    def remove(self, queued_id: QueuedId) -> QueuedMessage | None:
        """Take one message out; None = it is not there."""
        statement = (
            delete(queued).where(self._of_chat(), queued.c.id == queued_id).returning(queued)
        )
        row = self._connection.execute(statement).mappings().first()
        return None if row is None else _read(row)

    def clear(self) -> list[QueuedMessage]:
        """Take all messages out and return them."""
        statement = delete(queued).where(self._of_chat()).returning(queued)
        return [_read(row) for row in self._connection.execute(statement).mappings()]

    def move_to_head(self, queued_id: QueuedId) -> bool:
        """Make a message the next one, and interrupting; False = it is not there."""
        first = select(func.min(queued.c.position)).where(self._of_chat())
        statement = (
            update(queued)
            .where(self._of_chat(), queued.c.id == queued_id)
            .values(position=first.scalar_subquery() - 1, interrupting=True)
        )
        return self._connection.execute(statement).rowcount == 1

    def has_interrupting(self) -> bool:
        """Say whether an interrupting message waits."""
        statement = select(queued.c.id).where(self._of_chat(), queued.c.interrupting)
        return self._connection.execute(statement.limit(1)).first() is not None

    def load(self) -> list[QueuedMessage]:
        """Return the messages in the order in which they will be promoted."""
        statement = select(queued).where(self._of_chat()).order_by(*_ORDER)
        return [_read(row) for row in self._connection.execute(statement).mappings()]

    def _of_chat(self) -> ColumnElement[bool]:
        return queued.c.chat_id == self._chat_id


def _read(row: RowMapping) -> QueuedMessage:
    return QueuedMessage(
        id=QueuedId(row["id"]),
        chat_id=ChatId(row["chat_id"]),
        turn_id=TurnId(row["turn_id"]),
        position=row["position"],
        interrupting=row["interrupting"],
        content=codec.load_parts(row["content"]),
        created_at=row["created_at"],
        model=row["model"],
        author=row["author"],
        metadata=row["metadata"],
        stored=tuple(row["content"]),
    )
