"""Destinations, the outbox of deliveries, and whom each receiver holds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

Key = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Moment = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")
STATES = "state in ('pending', 'delivered', 'withheld', 'superseded', 'dead')"
KINDS = "kind in ('entered', 'exited', 'carried', 'trigger')"


def upgrade() -> None:
    """Create the tables of activation."""
    op.create_table(
        "destinations",
        sa.Column("key", Key, nullable=False),
        sa.Column("kind", Key, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("purpose", Key, nullable=False),
        sa.Column("config", sa.Text, nullable=False),
        sa.Column("secret", sa.Text),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("unfit", sa.Text, nullable=False, server_default=""),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("saved_by", sa.Text, nullable=False),
        sa.Column("saved_at", Moment, nullable=False),
        sa.Column("lease", Key),
        sa.Column("lease_until", Moment),
        sa.PrimaryKeyConstraint("key", name="pk_destinations"),
    )
    op.create_table(
        "destination_segments",
        sa.Column("destination_key", Key, nullable=False),
        sa.Column("segment_key", Key, nullable=False),
        sa.PrimaryKeyConstraint("destination_key", "segment_key", name="pk_destination_segments"),
        _of_destination("destination_segments"),
    )
    op.create_index("ix_destination_segments_segment_key", "destination_segments", ["segment_key"])
    _deliveries()
    op.create_table(
        "destination_members",
        sa.Column("destination_key", Key, nullable=False),
        sa.Column("segment_key", Key, nullable=False),
        sa.Column("profile_id", Key, nullable=False),
        sa.Column("since", Moment, nullable=False),
        sa.PrimaryKeyConstraint("destination_key", "segment_key", "profile_id", name="pk_destination_members"),
        _of_destination("destination_members"),
    )
    op.create_index("ix_destination_members_profile_id", "destination_members", ["profile_id"])


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", Serial, sa.Identity(), nullable=False),
        sa.Column("destination_key", Key, nullable=False),
        sa.Column("message_id", Key, nullable=False),
        sa.Column("profile_id", Key, nullable=False),
        sa.Column("former_id", Key),
        sa.Column("segment_key", Key, nullable=False),
        sa.Column("trigger_key", Key),
        sa.Column("kind", Key, nullable=False),
        sa.Column("reason", Key, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("state", Key, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", Moment),
        sa.Column("finished_at", Moment),
        sa.Column("error", Key),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint("message_id", name="uq_deliveries_message_id"),
        sa.CheckConstraint(STATES, name=op.f("ck_deliveries_state")),
        sa.CheckConstraint(KINDS, name=op.f("ck_deliveries_kind")),
        sa.CheckConstraint("(kind = 'trigger') = (trigger_key is not null)", name=op.f("ck_deliveries_trigger_key")),
        _of_destination("deliveries"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deliveries_destination_key_state_id", "deliveries", ["destination_key", "state", "id"])
    op.create_index("ix_deliveries_profile_id", "deliveries", ["profile_id"])
    op.create_index("ix_deliveries_former_id", "deliveries", ["former_id"])


def _of_destination(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["destination_key"],
        ["destinations.key"],
        name=f"fk_{table}_destination_key_destinations",
        ondelete="CASCADE",
    )
