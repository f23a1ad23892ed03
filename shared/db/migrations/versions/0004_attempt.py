"""Note on each message in which attempt it came: a stream tells by it which preview it replaces."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of a message without it every preview is taken back."""
    op.execute("ALTER TABLE messages ADD COLUMN attempt INTEGER")


def downgrade() -> None:
    """Remove it."""
    op.execute("ALTER TABLE messages DROP COLUMN attempt")
