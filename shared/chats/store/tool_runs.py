"""The ledger of tools in SQL: which call was started under which lease, and what came of it."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, select, update
from sqlalchemy.dialects.postgresql import insert

from shared.chats.model.ids import ChatId, LeaseId, MessageId
from shared.chats.model.parts import ToolResultPart
from shared.chats.model.tool_runs import RunKey, RunState, ToolRun
from shared.chats.store import codec
from shared.chats.store.tables import tool_runs as runs
from shared.jsonvalue import JsonObject


class SqlLedger:
    """The calls of a chat whose row is locked; a `shared.chats.machine.collections.Ledger`."""

    def __init__(self, connection: Connection, chat_id: ChatId) -> None:
        """Take the transaction that holds the lock."""
        self._connection = connection
        self._chat_id = chat_id

    def load(self, message_ids: Collection[MessageId]) -> Mapping[RunKey, ToolRun]:
        """Return what there is of the calls of these messages."""
        statement = select(runs).where(
            runs.c.chat_id == self._chat_id, runs.c.message_id.in_(message_ids)
        )
        return {_key(row): _read(row) for row in self._connection.execute(statement).mappings()}

    def find(self, key: RunKey) -> ToolRun | None:
        """Return what there is of a call."""
        row = self._connection.execute(select(runs).where(_is(key))).mappings().first()
        return None if row is None else _read(row)

    def claim(
        self, key: RunKey, *, tool: str, arguments_hash: str, lease_id: LeaseId, now: datetime
    ) -> bool:
        """Claim a call that nobody has started; False = it is there already."""
        statement = insert(runs).values(
            chat_id=key.chat_id,
            message_id=key.message_id,
            call_index=key.index,
            tool=tool,
            arguments_hash=arguments_hash,
            state=RunState.CLAIMED.value,
            lease_id=lease_id,
            claimed_at=now,
        )
        return self._connection.execute(statement.on_conflict_do_nothing()).rowcount == 1

    def claim_again(self, key: RunKey, *, lease_id: LeaseId, now: datetime) -> None:
        """Take over the claim of a lease that is over, to run the call once more."""
        again = {"lease_id": lease_id, "runs": runs.c.runs + 1, "claimed_at": now}
        self._connection.execute(update(runs).where(_is(key)).values(again))

    def end(self, key: RunKey, *, state: RunState, result: ToolResultPart, now: datetime) -> None:
        """Write what came of a claimed call; one that has its result already keeps it."""
        self._connection.execute(
            update(runs)
            .where(_is(key), runs.c.state == RunState.CLAIMED.value)
            .values(state=state.value, result=codec.dump(result), ended_at=now)
        )


def _is(key: RunKey) -> ColumnElement[bool]:
    return and_(
        runs.c.chat_id == key.chat_id,
        runs.c.message_id == key.message_id,
        runs.c.call_index == key.index,
    )


def _key(row: RowMapping) -> RunKey:
    return RunKey(
        chat_id=ChatId(row["chat_id"]),
        message_id=MessageId(row["message_id"]),
        index=row["call_index"],
    )


def _read(row: RowMapping) -> ToolRun:
    return ToolRun(
        state=RunState(row["state"]),
        lease_id=LeaseId(row["lease_id"]),
        runs=row["runs"],
        result=_read_result(row["result"]),
    )


def _read_result(stored: JsonObject | None) -> ToolResultPart | None:
    [part] = codec.load_parts([stored]) if stored is not None else [None]
    return part if isinstance(part, ToolResultPart) else None
