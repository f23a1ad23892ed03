"""The tables that only the API uses."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Index,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from shared.db.base import metadata

_TIME = DateTime(timezone=True)
_NOW = text("now()")

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("hint", Text, nullable=False),
    Column("created_at", _TIME, nullable=False, server_default=_NOW),
    Column("last_used_at", _TIME),
    Column("revoked_at", _TIME),
    UniqueConstraint("hash"),
    CheckConstraint("role IN ('user','admin')", name="role"),
)

# `caller` and `key` together name a request; `fingerprint` is the hash of what it asked for.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("caller", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("chat_id", Uuid, nullable=False),
    Column("turn_id", Uuid),
    Column("created_at", _TIME, nullable=False, server_default=_NOW),
    Index("idempotency_keys_created_at_idx", "created_at"),
)
