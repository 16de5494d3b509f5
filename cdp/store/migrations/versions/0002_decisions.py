"""What people decide about identity: decisions with their links, withdrawals, edits of the hub list."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

Key = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Moment = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "identity_decisions",
        sa.Column("seq", Serial, sa.Identity(), nullable=False),
        sa.Column("decision_id", Key, nullable=False),
        sa.Column("kind", Key, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("note", sa.Text),
        sa.PrimaryKeyConstraint("seq", name="pk_identity_decisions"),
        sa.UniqueConstraint("decision_id", name="uq_identity_decisions_decision_id"),
        sa.CheckConstraint("kind in ('merge', 'split', 'same', 'different')", name=op.f("ck_identity_decisions_kind")),
        sqlite_autoincrement=True,
    )
    _links_and_withdrawals()
    op.create_table(
        "identity_hub_edits",
        sa.Column("seq", Serial, sa.Identity(), nullable=False),
        sa.Column("kind", Key, nullable=False),
        sa.Column("value", Key, nullable=False),
        sa.Column("action", Key, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("note", sa.Text),
        sa.PrimaryKeyConstraint("seq", name="pk_identity_hub_edits"),
        sa.CheckConstraint("kind in ('email', 'phone', 'address')", name=op.f("ck_identity_hub_edits_kind")),
        sa.CheckConstraint("action in ('block', 'allow', 'learn')", name=op.f("ck_identity_hub_edits_action")),
        sqlite_autoincrement=True,
    )


def _links_and_withdrawals() -> None:
    op.create_table(
        "identity_decision_links",
        sa.Column("decision_id", Key, nullable=False),
        sa.Column("record_a", Key, nullable=False),
        sa.Column("record_b", Key, nullable=False),
        sa.Column("kind", Key, nullable=False),
        sa.PrimaryKeyConstraint("decision_id", "record_a", "record_b", name="pk_identity_decision_links"),
        sa.ForeignKeyConstraint(
            ["decision_id"],
            ["identity_decisions.decision_id"],
            name="fk_identity_decision_links_decision_id_identity_decisions",
            ondelete="CASCADE",
        ),
        sa.CheckConstraint("kind in ('always', 'never')", name=op.f("ck_identity_decision_links_kind")),
        sa.CheckConstraint("record_a < record_b", name=op.f("ck_identity_decision_links_order")),
    )
    op.create_index("ix_identity_decision_links_record_a", "identity_decision_links", ["record_a"])
    op.create_index("ix_identity_decision_links_record_b", "identity_decision_links", ["record_b"])
    op.create_table(
        "identity_withdrawals",
        sa.Column("decision_id", Key, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("note", sa.Text),
        sa.PrimaryKeyConstraint("decision_id", name="pk_identity_withdrawals"),
        sa.ForeignKeyConstraint(
            ["decision_id"],
            ["identity_decisions.decision_id"],
            name="fk_identity_withdrawals_decision_id_identity_decisions",
            ondelete="CASCADE",
        ),
    )
