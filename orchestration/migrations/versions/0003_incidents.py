"""Incidents: what is broken, since when, whose it is; their messages are rows of the ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; at most one incident of a cause is open at a time."""
    op.create_table(
        "incidents",
        sa.Column("incident_id", sa.Integer, primary_key=True),
        sa.Column("cause", sa.String(255), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("at_risk", sa.Text, nullable=False),
        sa.Column("remedy", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime, nullable=False),
        sa.Column("opened_at", sa.DateTime, nullable=False),
        sa.Column("seen_at", sa.DateTime, nullable=False),
        sa.Column("recovered_at", sa.DateTime),
    )
    op.create_index(
        "uq_incidents_open",
        "incidents",
        ["cause"],
        unique=True,
        sqlite_where=sa.text("recovered_at IS NULL"),
        postgresql_where=sa.text("recovered_at IS NULL"),
    )


def downgrade() -> None:
    """Refused: an open incident would be told again."""
    raise NotImplementedError("incidents and what was told of them are not taken back")
