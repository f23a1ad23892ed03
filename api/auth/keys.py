"""The statements of the table of keys. A key itself is never stored, only its hash."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, RowMapping, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from api.auth.caller import Caller, KeyId, KeyRole
from api.auth.secret import Proof, hint_of, prove, same_proof
from api.tables import api_keys as keys

_USED_EVERY: Final = timedelta(minutes=5)
"""How exact the time of the last use is: a write for each request would be a row lock for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key as operators see it; `hint` is how its secret begins."""

    id: KeyId
    owner: str
    role: KeyRole
    hint: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A live key, and whether its use is to be noted."""

    caller: Caller
    use_is_old: bool


def find_live(connection: Connection, proof: Proof) -> Found | None:
    """Return whose key it is, unless it is unknown or revoked."""
    old = or_(keys.c.last_used_at.is_(None), keys.c.last_used_at < func.now() - _USED_EVERY)
    statement = select(keys.c.id, keys.c.owner, keys.c.role, keys.c.hash, old.label("old")).where(
        keys.c.hash == proof, keys.c.revoked_at.is_(None)
    )
    row = connection.execute(statement).first()
    if row is None or not same_proof(row.hash, proof):
        return None
    caller = Caller(key_id=KeyId(row.id), owner=row.owner, role=KeyRole(row.role), proof=proof)
    return Found(caller=caller, use_is_old=row.old)


def note_use(connection: Connection, key_id: KeyId) -> None:
    """Write down that the key is used now."""
    connection.execute(update(keys).where(keys.c.id == key_id).values(last_used_at=func.now()))


def add(connection: Connection, key_id: KeyId, secret: str, *, owner: str, role: KeyRole) -> None:
    """Add a key."""
    connection.execute(
        insert(keys).values(
            id=key_id,
            owner=owner,
            role=role.value,
            hash=prove(secret),
            hint=hint_of(secret),
        )
    )


def ensure(
    connection: Connection, key_id: KeyId, secret: str, *, owner: str, role: KeyRole
) -> None:
    """Make sure that this key is live, this owner's, and has this role."""
    statement = upsert(keys).values(
        id=key_id, owner=owner, role=role.value, hash=prove(secret), hint=hint_of(secret)
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[keys.c.hash],
            set_={"owner": owner, "role": role.value, "revoked_at": None},
        )
    )


def replace_secret(connection: Connection, key_id: KeyId, secret: str) -> bool:
    """Give a live key another secret; the old one is worth nothing from now on."""
    statement = (
        update(keys)
        .where(keys.c.id == key_id, keys.c.revoked_at.is_(None))
        .values(hash=prove(secret), hint=hint_of(secret))
    )
    return connection.execute(statement).rowcount == 1


def revoke(connection: Connection, key_id: KeyId) -> bool:
    """End a key; False = there is no such live key."""
    statement = (
        update(keys)
        .where(keys.c.id == key_id, keys.c.revoked_at.is_(None))
        .values(revoked_at=func.now())
    )
    return connection.execute(statement).rowcount == 1


def list_keys(connection: Connection) -> list[Key]:
    """Return all keys, the revoked ones included, the oldest first."""
    statement = select(keys).order_by(keys.c.created_at, keys.c.id)
    return [_read(row) for row in connection.execute(statement).mappings()]


def _read(row: RowMapping) -> Key:
    return Key(
        id=KeyId(row["id"]),
        owner=row["owner"],
        role=KeyRole(row["role"]),
        hint=row["hint"],
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
        revoked_at=row["revoked_at"],
    )
