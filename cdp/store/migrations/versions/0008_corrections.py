"""Corrections of what sources say about people."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

Key = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Moment = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "corrections",
        sa.Column("seq", Serial, sa.Identity(), nullable=False),
        sa.Column("correction_id", Key, nullable=False),
        sa.Column("profile_id", Key, nullable=False),
        sa.Column("lasts", Key, nullable=False),
        sa.Column("request", Key),
        sa.Column("recorded_by", sa.Text, nullable=False),
        sa.Column("recorded_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_corrections"),
        sa.UniqueConstraint("correction_id", name="uq_corrections_correction_id"),
        sa.CheckConstraint("lasts in ('for_good', 'until_changed')", name=op.f("ck_corrections_lasts")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_corrections_profile_id", "corrections", ["profile_id"])
    op.create_table(
        "correction_places",
        sa.Column("correction_id", Key, nullable=False),
        sa.Column("source", Key, nullable=False),
        sa.Column("source_record_id", Key, nullable=False),
        sa.Column("field", Key, nullable=False),
        sa.Column("value", sa.Text),
        sa.Column("replaced", Key),
        sa.PrimaryKeyConstraint("correction_id", "source", "source_record_id", "field", name="pk_correction_places"),
        _of_correction("correction_places"),
    )
    place = ["source", "source_record_id"]
    op.create_index("ix_correction_places_source_source_record_id", "correction_places", place)
    op.create_table(
        "correction_withdrawals",
        sa.Column("correction_id", Key, nullable=False),
        sa.Column("recorded_by", sa.Text, nullable=False),
        sa.Column("recorded_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("correction_id", name="pk_correction_withdrawals"),
        _of_correction("correction_withdrawals"),
    )


def _of_correction(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["correction_id"],
        ["corrections.correction_id"],
        name=f"fk_{table}_correction_id_corrections",
        ondelete="CASCADE",
    )
