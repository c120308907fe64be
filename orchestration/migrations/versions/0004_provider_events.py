"""What the mail provider reports of single messages: kept once each, so that a replay does
nothing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; its rows go with their message's row in the ledger."""
    op.create_table(
        "provider_events",
        sa.Column("event_id", sa.String(255), primary_key=True),
        sa.Column(
            "ledger_id",
            sa.Integer,
            sa.ForeignKey(
                "ledger.ledger_id",
                name=op.f("fk_provider_events_ledger_id"),
                ondelete="CASCADE",
            ),
            nullable=False,
        ),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("happened_at", sa.DateTime, nullable=False),
        sa.Column("received_at", sa.DateTime, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("applied_at", sa.DateTime),
        sa.CheckConstraint(
            "kind IN ('processed', 'deferred', 'delivered', 'bounce', 'blocked', 'dropped')",
            name=op.f("ck_provider_events_kind"),
        ),
    )
    op.create_index("ix_provider_events_ledger_id", "provider_events", ["ledger_id"])


def downgrade() -> None:
    """Refused: what bounced would be forgotten, and a replay would count again."""
    raise NotImplementedError("what the provider reported is not taken back")
