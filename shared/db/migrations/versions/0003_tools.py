"""Create the ledger of tool runs, and remember the newest tool results that clients sent."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE chats ADD COLUMN last_submission TEXT",
    """
    CREATE TABLE tool_runs (
        chat_id UUID NOT NULL,
        message_id BIGINT NOT NULL,
        call_index INTEGER NOT NULL,
        tool TEXT NOT NULL,
        arguments_hash TEXT NOT NULL,
        state TEXT NOT NULL,
        lease_id UUID NOT NULL,
        runs INTEGER DEFAULT 1 NOT NULL,
        result JSONB,
        claimed_at TIMESTAMP WITH TIME ZONE NOT NULL,
        ended_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT tool_runs_pkey PRIMARY KEY (chat_id, message_id, call_index),
        CONSTRAINT tool_runs_state_check CHECK (state IN ('claimed','done','unknown')),
        CONSTRAINT tool_runs_result_check CHECK ((state = 'claimed') = (result IS NULL)),
        CONSTRAINT tool_runs_chat_id_fkey
            FOREIGN KEY(chat_id) REFERENCES chats (id) ON DELETE CASCADE
    )
    """,
)


def upgrade() -> None:
    """Create the table and the column."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove them."""
    op.execute("DROP TABLE tool_runs")
    op.execute("ALTER TABLE chats DROP COLUMN last_submission")
