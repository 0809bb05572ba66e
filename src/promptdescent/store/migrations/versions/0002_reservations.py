"""What was set aside for an attempt, how it failed, and what listings say of an event."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; rows of older runs get what can be said of them."""
    op.add_column("attempts", sa.Column("reserved_in", sa.Integer, nullable=False, server_default="0"))
    op.add_column("attempts", sa.Column("reserved_out", sa.Integer, nullable=False, server_default="0"))
    op.add_column("attempt_ends", sa.Column("counter", sa.Text, nullable=True))
    op.add_column("attempt_ends", sa.Column("lost", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("events", sa.Column("summary", sa.Text, nullable=True))
    op.create_index("events_kind", "events", ["run_id", "kind", "seq"])
