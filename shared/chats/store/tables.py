"""The tables of chats. Private to this shelf and the migrations: others go through the machine."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.db.base import metadata

_TIME = DateTime(timezone=True)
# What is not there is NULL, not the JSON value null, so that SQL can ask for it.
_JSON = JSONB(none_as_null=True)
_ZERO = text("0")
_FALSE = text("false")
_EMPTY = text("'{}'::jsonb")
_NOW = text("now()")

# A column `<thing>_version` holds the snapshot_version at the thing's last change, so that a
# stream that has seen everything up to a snapshot knows what it has to send.
chats = Table(
    "chats",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("key", Text),
    Column("title", Text, nullable=False),
    Column("title_source", Text, nullable=False, server_default=text("'words'")),
    Column("status", Text, nullable=False),
    Column("archived", Boolean, nullable=False, server_default=_FALSE),
    Column("model", Text, nullable=False),
    Column("system", Text),
    Column("labels", _JSON, nullable=False, server_default=_EMPTY),
    Column("metadata", _JSON, nullable=False, server_default=_EMPTY),
    Column("on_error", Text, nullable=False, server_default=text("'hold'")),
    Column("dynamic_tools", _JSON, nullable=False, server_default=text("'[]'::jsonb")),
    Column("tools", _JSON),
    Column("requires_action_timeout_seconds", Integer),
    Column("current_turn_id", Uuid),
    Column("last_error", _JSON),
    Column("usage", _JSON, nullable=False, server_default=_EMPTY),
    Column("pending_calls", _JSON, nullable=False, server_default=text("'[]'::jsonb")),
    Column("queue_length", Integer, nullable=False, server_default=_ZERO),
    Column("last_message_id", BigInteger, nullable=False, server_default=_ZERO),
    Column("snapshot_version", BigInteger, nullable=False),
    Column("history_version", BigInteger, nullable=False),
    Column("queue_version", BigInteger, nullable=False, server_default=_ZERO),
    Column("status_version", BigInteger, nullable=False),
    Column("title_version", BigInteger, nullable=False, server_default=_ZERO),
    Column("error_version", BigInteger, nullable=False, server_default=_ZERO),
    Column("retry_version", BigInteger, nullable=False, server_default=_ZERO),
    Column("action_version", BigInteger, nullable=False, server_default=_ZERO),
    Column("generation_attempt", Integer, nullable=False, server_default=_ZERO),
    Column("failures", Integer, nullable=False, server_default=_ZERO),
    Column("losses", Integer, nullable=False, server_default=_ZERO),
    Column("sweeps", Integer, nullable=False, server_default=_ZERO),
    Column("lease_id", Uuid),
    Column("worker_id", Uuid),
    Column("enqueued_at", _TIME),
    Column("retry_at", _TIME),
    Column("retry_state", _JSON),
    Column("interrupting_since", _TIME),
    Column("requires_action_deadline_at", _TIME),
    Column("compaction_requested_at", _TIME),
    # The hash of the newest tool results that clients sent: the same once more changes nothing.
    Column("last_submission", Text),
    Column("phase_since", _TIME, nullable=False, server_default=_NOW),
    Column("turn_time", _JSON, nullable=False, server_default=_EMPTY),
    Column("created_at", _TIME, nullable=False, server_default=_NOW),
    Column("updated_at", _TIME, nullable=False, server_default=_NOW),
    CheckConstraint(
        "status IN ('waiting','pending','running','interrupting','requires_action','error')",
        name="status",
    ),
    CheckConstraint(
        "(lease_id IS NOT NULL) = (status IN ('running','interrupting'))"
        " AND (worker_id IS NOT NULL) = (status IN ('running','interrupting'))",
        name="lease",
    ),
    CheckConstraint("NOT archived OR status IN ('waiting','error')", name="archived"),
    Index(
        "chats_owner_key_key",
        "owner",
        "key",
        unique=True,
        postgresql_where=text("key IS NOT NULL"),
    ),
    Index("chats_owner_id_idx", "owner", "id"),
    Index("chats_labels_idx", "labels", postgresql_using="gin"),
    Index("chats_pending_idx", "enqueued_at", postgresql_where=text("status = 'pending'")),
    Index("chats_leased_idx", "worker_id", postgresql_where=text("lease_id IS NOT NULL")),
    Index(
        "chats_deadline_idx",
        "requires_action_deadline_at",
        postgresql_where=text("status = 'requires_action'"),
    ),
    Index(
        "chats_stranded_idx",
        "id",
        postgresql_where=text("status = 'waiting' AND queue_length > 0"),
    ),
    postgresql_with={"fillfactor": "80"},
)

turns = Table(
    "turns",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("chat_id", Uuid, ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    Column("status", Text, nullable=False),
    Column("user_message_id", BigInteger),
    Column("answer_message_id", BigInteger),
    Column("error", _JSON),
    Column("time", _JSON, nullable=False, server_default=_EMPTY),
    Column("steps", Integer, nullable=False, server_default=_ZERO),
    Column("compactions", Integer, nullable=False, server_default=_ZERO),
    Column("chain_disabled", Boolean, nullable=False, server_default=_FALSE),
    # The snapshot at which the turn ended or paused; null while it goes on.
    Column("outcome_revision", BigInteger),
    Column("created_at", _TIME, nullable=False),
    Column("ended_at", _TIME),
    CheckConstraint(
        "status IN ('queued','active','requires_action',"
        "'finished','failed','interrupted','replaced')",
        name="status",
    ),
    Index("turns_chat_id_idx", "chat_id", "outcome_revision"),
)

messages = Table(
    "messages",
    metadata,
    Column("id", BigInteger, Identity(always=False), primary_key=True),
    Column("chat_id", Uuid, ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    Column("turn_id", Uuid),
    Column("role", Text, nullable=False),
    Column("content", _JSON, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("visibility", Text, nullable=False, server_default=text("'both'")),
    Column("compressed", Boolean, nullable=False, server_default=_FALSE),
    Column("interrupted", Boolean, nullable=False, server_default=_FALSE),
    Column("deleted_at", _TIME),
    Column("author", Text),
    Column("metadata", _JSON),
    Column("model", Text),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("cache_read_tokens", BigInteger),
    Column("cache_creation_tokens", BigInteger),
    Column("context_limit", BigInteger),
    Column("provider_response_id", Text),
    Column("created_at", _TIME, nullable=False),
    Column("attempt", Integer),
    CheckConstraint("visibility IN ('user','model','both')", name="visibility"),
    CheckConstraint("role IN ('system','user','assistant','tool')", name="role"),
    Index("messages_chat_id_id_idx", "chat_id", "id"),
    Index(
        "messages_removed_idx",
        "chat_id",
        "revision",
        postgresql_where=text("deleted_at IS NOT NULL"),
    ),
)

queued_messages = Table(
    "queued_messages",
    metadata,
    Column("id", BigInteger, Identity(always=False), primary_key=True),
    Column("chat_id", Uuid, ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    Column("turn_id", Uuid, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("interrupting", Boolean, nullable=False, server_default=_FALSE),
    Column("content", _JSON, nullable=False),
    Column("model", Text),
    Column("author", Text),
    Column("metadata", _JSON),
    Column("created_at", _TIME, nullable=False),
    UniqueConstraint("chat_id", "position", deferrable=True, initially="DEFERRED"),
)

workers = Table(
    "workers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("version", Text, nullable=False),
    Column("free_slots", Integer, nullable=False),
    Column("started_at", _TIME, nullable=False, server_default=_NOW),
    Column("renewed_at", _TIME, nullable=False),
    Column("dead_at", _TIME),
    Index("workers_live_idx", "renewed_at", postgresql_where=text("dead_at IS NULL")),
)

# One row per call of a built-in tool that was ever started. `call_index` is the call's place in
# the content of its message; `runs` is above 1 only for tools that say that repeating is harmless.
tool_runs = Table(
    "tool_runs",
    metadata,
    Column("chat_id", Uuid, ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    Column("message_id", BigInteger, nullable=False),
    Column("call_index", Integer, nullable=False),
    Column("tool", Text, nullable=False),
    Column("arguments_hash", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("lease_id", Uuid, nullable=False),
    Column("runs", Integer, nullable=False, server_default=text("1")),
    Column("result", _JSON),
    Column("claimed_at", _TIME, nullable=False),
    Column("ended_at", _TIME),
    PrimaryKeyConstraint("chat_id", "message_id", "call_index"),
    CheckConstraint("state IN ('claimed','done','unknown')", name="state"),
    CheckConstraint("(state = 'claimed') = (result IS NULL)", name="result"),
)
