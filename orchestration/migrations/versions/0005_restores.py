"""Restores from a backup: what was sent since it was taken is not known any more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "restores",
        sa.Column("restore_id", sa.Integer, primary_key=True),
        sa.Column("taken_at", sa.DateTime, nullable=False),
        sa.Column("restored_at", sa.DateTime, nullable=False),
    )


def downgrade() -> None:
    """Refused: what was sent after a backup would be sent again."""
    raise NotImplementedError("that a database was restored is not forgotten")
