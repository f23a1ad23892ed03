"""Create the table in which workers publish their tools."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create it."""
    op.execute(
        """
        CREATE TABLE published_tools (
            name TEXT NOT NULL,
            description TEXT NOT NULL,
            input_schema JSONB NOT NULL,
            source TEXT NOT NULL,
            policy TEXT NOT NULL,
            published_at TIMESTAMP WITH TIME ZONE NOT NULL,
            CONSTRAINT published_tools_pkey PRIMARY KEY (name),
            CONSTRAINT published_tools_policy_check CHECK (policy IN ('ask','rerun'))
        )
        """
    )


def downgrade() -> None:
    """Remove it."""
    op.execute("DROP TABLE published_tools")
