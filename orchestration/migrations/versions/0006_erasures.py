"""Erasures of persons: who is not to come back, by pseudonym; editions redacted for it; keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, add the columns."""
    op.create_table(
        "keys",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("value", sa.String(128), nullable=False),
    )
    op.create_table(
        "erasures",
        sa.Column("erasure_id", sa.Integer, primary_key=True),
        sa.Column("person", sa.String(64), nullable=False, unique=True),
        sa.Column("started_at", sa.DateTime, nullable=False),
        sa.Column("ended_at", sa.DateTime),
        sa.Column("readmitted_at", sa.DateTime),
    )
    op.add_column("editions", sa.Column("redacted_at", sa.DateTime))
    op.add_column("editions", sa.Column("sealed_hash", sa.String(64)))


def downgrade() -> None:
    """Refused: who was erased would come back with the next delivery."""
    raise NotImplementedError("that somebody was erased is not forgotten")
