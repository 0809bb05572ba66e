"""The order of a run's uses, so that what is new since some moment is found without reading the rest.

With it come steps whose state is an event of its own, and totals: versions before these refuse the store.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, which is empty in the rows of older runs."""
    op.add_column("uses", sa.Column("number", sa.Integer, nullable=True))
    op.create_index("uses_number", "uses", ["run_id", "number"])
