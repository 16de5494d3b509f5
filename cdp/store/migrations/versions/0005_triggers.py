"""Triggers and their firings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

Key = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Moment = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")
STATES = "state in ('waiting', 'fired', 'held_out', 'left', 'withheld', 'capped')"


def upgrade() -> None:
    """Create the tables of triggers."""
    op.create_table(
        "triggers",
        sa.Column("key", Key, nullable=False),
        sa.Column("segment_key", Key, nullable=False),
        sa.Column("destination_key", Key),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("saved_by", sa.Text, nullable=False),
        sa.Column("saved_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_triggers"),
    )
    op.create_index("ix_triggers_segment_key", "triggers", ["segment_key"])
    op.create_table(
        "trigger_firings",
        sa.Column("id", Serial, sa.Identity(), nullable=False),
        sa.Column("trigger_key", Key, nullable=False),
        sa.Column("profile_id", Key, nullable=False),
        sa.Column("change_seq", sa.BigInteger, nullable=False),
        sa.Column("happened_at", Moment, nullable=False),
        sa.Column("due_at", Moment),
        sa.Column("state", Key, nullable=False),
        sa.Column("decided_at", Moment),
        sa.PrimaryKeyConstraint("id", name="pk_trigger_firings"),
        sa.ForeignKeyConstraint(
            ["trigger_key"], ["triggers.key"], name="fk_trigger_firings_trigger_key_triggers", ondelete="CASCADE"
        ),
        sa.CheckConstraint(STATES, name=op.f("ck_trigger_firings_state")),
        sa.UniqueConstraint("trigger_key", "change_seq", name="uq_trigger_firings_trigger_key_change_seq"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_trigger_firings_trigger_key_state_id", "trigger_firings", ["trigger_key", "state", "id"])
    op.create_index("ix_trigger_firings_profile_id", "trigger_firings", ["profile_id"])
