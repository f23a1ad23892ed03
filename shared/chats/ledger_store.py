"""Every statement of the ledger: which call was started under which lease, and what came of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, select, update
from sqlalchemy.dialects.postgresql import insert

from shared.chats import codec
from shared.chats.tables import tool_runs as runs
from shared.chats.types import ChatId, JsonObject, LeaseId, MessageId, ToolResultPart


class RunState(StrEnum):
    """How far a run has come."""

    CLAIMED = "claimed"  # it was started, or is about to be
    DONE = "done"  # it ended, and its result is here
    UNKNOWN = "unknown"  # nobody will ever know how it ended


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKey:
    """One call of one message; `index` is its place in the message's content."""

    chat_id: ChatId
    message_id: MessageId
    index: int

    def __str__(self) -> str:
        """Return what tells this call from all others: the idempotency key that tools get."""
        return f"{self.chat_id}/{self.message_id}/{self.index}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRun:
    """A row of the ledger; a result is there when the state is not `claimed`.

    One that this version can't read is not there: it counts as unknown.
    """

    state: RunState
    lease_id: LeaseId
    runs: int
    result: ToolResultPart | None


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
