"""Intents, sealed editions with their recipients, and the delivery ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables. Written out, not taken from the code's metadata, which moves on."""
    op.create_table(
        "intents",
        sa.Column("intent_id", sa.Integer, primary_key=True),
        sa.Column("ritual", sa.String(16), nullable=False),
        sa.Column("period_id", sa.String(16), nullable=False),
        sa.Column("opened_at", sa.DateTime, nullable=False),
        sa.Column("opened_by", sa.String(16), nullable=False),
        sa.Column("opened_run", sa.String(64)),
        sa.Column("restates", sa.Boolean, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("held_by", sa.String(16)),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("updated_at", sa.DateTime, nullable=False),
        sa.CheckConstraint("status IN ('open', 'held', 'settled', 'cancelled')", name="status"),
    )
    op.create_index(
        "uq_intents_pending",
        "intents",
        ["ritual", "period_id"],
        unique=True,
        sqlite_where=sa.text("status IN ('open', 'held')"),
        postgresql_where=sa.text("status IN ('open', 'held')"),
    )
    op.create_table(
        "editions",
        sa.Column("edition_id", sa.String(64), primary_key=True),
        sa.Column(
            "intent_id",
            sa.Integer,
            sa.ForeignKey("intents.intent_id"),
            nullable=False,
            unique=True,
        ),
        sa.Column("ritual", sa.String(16), nullable=False),
        sa.Column("period_id", sa.String(16), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("sealed_at", sa.DateTime, nullable=False),
        sa.Column("folder", sa.Text, nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("figures_hash", sa.String(64), nullable=False),
        sa.Column("manifest_hash", sa.String(64), nullable=False),
        sa.Column("settings_hash", sa.String(64), nullable=False),
        sa.Column("charter_hash", sa.String(64), nullable=False),
        sa.Column("code_version", sa.String(64), nullable=False),
        sa.Column("data_as_of", sa.Date),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("restates", sa.String(64), sa.ForeignKey("editions.edition_id")),
        sa.UniqueConstraint("ritual", "period_id", "number"),
    )
    op.create_table(
        "edition_recipients",
        sa.Column(
            "edition_id",
            sa.String(64),
            sa.ForeignKey("editions.edition_id"),
            primary_key=True,
        ),
        sa.Column("recipient", sa.String(320), primary_key=True),
        sa.Column("address", sa.String(320), nullable=False),
        sa.Column("roles", sa.Text, nullable=False),
    )
    op.create_table(
        "ledger",
        sa.Column("ledger_id", sa.Integer, primary_key=True),
        sa.Column("message_kind", sa.String(32), nullable=False),
        sa.Column("subject_id", sa.String(64), nullable=False),
        sa.Column("recipient", sa.String(320), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("run_id", sa.String(64)),
        sa.Column("holder", sa.String(255)),
        sa.Column("lease_until", sa.DateTime),
        sa.Column("not_before", sa.DateTime),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("provider_message_id", sa.String(255)),
        sa.Column("detail", sa.Text),
        sa.Column("updated_at", sa.DateTime, nullable=False),
        sa.CheckConstraint(
            "status IN ('planned', 'sending', 'accepted', 'failed', 'unknown')", name="status"
        ),
        sa.UniqueConstraint("message_kind", "subject_id", "recipient"),
    )


def downgrade() -> None:
    """Refused: the ledger is what keeps mail from being sent twice."""
    raise NotImplementedError("the first migration is not taken back")
