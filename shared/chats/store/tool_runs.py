"""Every statement of the ledger: which call was started under which lease, and what came of it."""

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


def load_runs(
    connection: Connection, chat_id: ChatId, message_ids: Collection[MessageId]
) -> Mapping[RunKey, ToolRun]:
    """Return what the ledger has of the calls of these messages."""
    statement = select(runs).where(runs.c.chat_id == chat_id, runs.c.message_id.in_(message_ids))
    return {_key(row): _read(row) for row in connection.execute(statement).mappings()}


def insert_claim(
    connection: Connection,
    key: RunKey,
    *,
    tool: str,
    arguments_hash: str,
    lease_id: LeaseId,
    now: datetime,
) -> bool:
    """Claim a call that nobody has started; False = the ledger has it already."""
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
    return connection.execute(statement.on_conflict_do_nothing()).rowcount == 1


def find_run(connection: Connection, key: RunKey) -> ToolRun | None:
    """Return what the ledger has of a call."""
    row = connection.execute(select(runs).where(_is(key))).mappings().first()
    return None if row is None else _read(row)


def claim_again(connection: Connection, key: RunKey, *, lease_id: LeaseId, now: datetime) -> None:
    """Take over the claim of a lease that is over, to run the call once more."""
    connection.execute(
        update(runs).where(_is(key)).values(lease_id=lease_id, runs=runs.c.runs + 1, claimed_at=now)
    )


def end_run(
    connection: Connection, key: RunKey, *, state: RunState, result: ToolResultPart, now: datetime
) -> None:
    """Write what came of a claimed call; one that has its result already keeps it."""
    connection.execute(
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
