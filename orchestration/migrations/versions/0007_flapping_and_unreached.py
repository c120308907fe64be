"""Incidents that come and go, and messages that reached nobody and were settled by a person."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; what was open has broken once."""
    op.add_column("incidents", sa.Column("times", sa.Integer, nullable=False, server_default="1"))
    op.add_column("incidents", sa.Column("well_since", sa.DateTime))
    op.add_column("ledger", sa.Column("settled_at", sa.DateTime))
    op.add_column("ledger", sa.Column("settled_why", sa.Text))


def downgrade() -> None:
    """Refused: what was settled would be told again."""
    raise NotImplementedError("what a person has settled is not taken back")
