"""Personal letters: recipients and ledger rows say which; editions, when they were recorded."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _letter() -> sa.Column[str]:
    # empty: the one email of an edition that is no letters
    return sa.Column("letter", sa.String(64), nullable=False, server_default="")


def upgrade() -> None:
    """Add the letter to both keys, so that one person can get two letters of one edition.

    What was sealed before this counts as recorded: its decisions were never to enter the log.
    """
    with op.batch_alter_table("edition_recipients") as recipients:
        recipients.add_column(_letter())
        recipients.drop_constraint("pk_edition_recipients", type_="primary")
        recipients.create_primary_key(
            "pk_edition_recipients", ["edition_id", "letter", "recipient"]
        )
    statuses = sa.CheckConstraint(
        "status IN ('planned', 'sending', 'accepted', 'failed', 'unknown')",
        name=op.f("ck_ledger_status"),
    )
    # SQLite's reflection leaves checks out, so the copy is told of it
    with op.batch_alter_table("ledger", table_args=(statuses,)) as ledger:
        ledger.add_column(_letter())
        ledger.drop_constraint("uq_ledger_message_kind_subject_id_recipient", type_="unique")
        ledger.create_unique_constraint(
            "uq_ledger_message_kind_subject_id_letter_recipient",
            ["message_kind", "subject_id", "letter", "recipient"],
        )
    op.add_column("editions", sa.Column("recorded_at", sa.DateTime))
    op.execute("UPDATE editions SET recorded_at = sealed_at")


def downgrade() -> None:
    """Refused: the ledger is what keeps mail from being sent twice."""
    raise NotImplementedError("letters were sent under these keys; they are not taken back")
