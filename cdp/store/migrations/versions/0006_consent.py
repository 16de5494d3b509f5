"""The consent ledger, and which of its entries a hold comes from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

Key = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Moment = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    """Create the ledger; holds that are there stay until they are released."""
    op.create_table(
        "consent_statements",
        sa.Column("seq", Serial, sa.Identity(), nullable=False),
        sa.Column("profile_id", Key, nullable=False),
        sa.Column("purpose", Key, nullable=False),
        sa.Column("state", Key, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("text_version", sa.Text),
        sa.Column("proof", sa.Text),
        sa.Column("origin", Key, nullable=False),
        sa.Column("recorded_by", sa.Text, nullable=False),
        sa.Column("recorded_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_consent_statements"),
        sa.CheckConstraint(
            "state in ('given', 'withdrawn', 'objected', 'restricted', 'lifted')",
            name=op.f("ck_consent_statements_state"),
        ),
        sa.CheckConstraint("origin in ('person', 'import')", name=op.f("ck_consent_statements_origin")),
        sa.CheckConstraint(
            "(state in ('restricted', 'lifted')) = (purpose = '*')", name=op.f("ck_consent_statements_purpose")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_consent_statements_profile_id", "consent_statements", ["profile_id"])
    op.create_table(
        "consent_records",
        sa.Column("seq", Serial, nullable=False),
        sa.Column("source", Key, nullable=False),
        sa.Column("source_record_id", Key, nullable=False),
        sa.PrimaryKeyConstraint("seq", "source", "source_record_id", name="pk_consent_records"),
        sa.ForeignKeyConstraint(
            ["seq"], ["consent_statements.seq"], name="fk_consent_records_seq_consent_statements", ondelete="CASCADE"
        ),
    )
    place = ["source", "source_record_id"]
    op.create_index("ix_consent_records_source_source_record_id", "consent_records", place)
    op.add_column("membership_holds", sa.Column("entry", sa.BigInteger))
