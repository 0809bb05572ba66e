"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create all tables."""
    _create_record()
    _create_calls()


def _create_record() -> None:
    op.create_table(
        "runs",
        sa.Column("number", sa.Integer, primary_key=True, nullable=False),
        sa.Column("id", sa.String(12), nullable=False, unique=True),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("manifest", sa.Text, nullable=False),
    )
    op.create_table(
        "examples",
        sa.Column("run_id", sa.String(12), sa.ForeignKey("runs.id"), primary_key=True, nullable=False),
        sa.Column("split", sa.String(8), primary_key=True, nullable=False),
        sa.Column("position", sa.Integer, primary_key=True, nullable=False, autoincrement=False),
        sa.Column("example_id", sa.Text, nullable=False),
        sa.Column("inputs", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("run_id", sa.String(12), sa.ForeignKey("runs.id"), primary_key=True, nullable=False),
        sa.Column("seq", sa.Integer, primary_key=True, nullable=False, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
    )


def _create_calls() -> None:
    op.create_table(
        "attempts",
        sa.Column("run_id", sa.String(12), sa.ForeignKey("runs.id"), primary_key=True, nullable=False),
        sa.Column("attempt", sa.Integer, primary_key=True, nullable=False, autoincrement=False),
        sa.Column("call", sa.Text, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_table(
        "attempt_ends",
        sa.Column("run_id", sa.String(12), primary_key=True, nullable=False),
        sa.Column("attempt", sa.Integer, primary_key=True, nullable=False, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("error", sa.Text, nullable=True),
        sa.Column("tokens_in", sa.Integer, nullable=False),
        sa.Column("tokens_out", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["run_id", "attempt"], ["attempts.run_id", "attempts.attempt"]),
    )
    op.create_table(
        "replies",
        sa.Column("run_id", sa.String(12), primary_key=True, nullable=False),
        sa.Column("key", sa.Text, primary_key=True, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("call", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("finish", sa.String(16), nullable=False),
        sa.Column("thought_chars", sa.Integer, nullable=False),
        sa.Column("tokens_in", sa.Integer, nullable=False),
        sa.Column("tokens_out", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.ForeignKeyConstraint(["run_id", "attempt"], ["attempts.run_id", "attempts.attempt"]),
    )
    op.create_index("replies_key", "replies", ["key"])
    op.create_index("replies_call", "replies", ["call"])
    op.create_table(
        "uses",
        sa.Column("run_id", sa.String(12), sa.ForeignKey("runs.id"), primary_key=True, nullable=False),
        sa.Column("call", sa.Text, primary_key=True, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("calls", sa.Integer, nullable=False),
        sa.Column("tokens_in", sa.Integer, nullable=False),
        sa.Column("tokens_out", sa.Integer, nullable=False),
    )
