"""The tables of triggers: their definitions, and each firing from the change that asks for it to what became of it."""

from __future__ import annotations

import sqlalchemy as sa

from cdp.store.schema import Key, Moment, Serial, metadata

FIRING_STATES = ("waiting", "fired", "held_out", "left", "withheld", "capped")

triggers = sa.Table(
    "triggers",
    metadata,
    sa.Column("key", Key, primary_key=True),
    sa.Column("segment_key", Key, nullable=False),
    sa.Column("destination_key", Key),
    sa.Column("definition", sa.Text, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("saved_by", sa.Text, nullable=False),
    sa.Column("saved_at", Moment, nullable=False),
    sa.Index("ix_triggers_segment_key", "segment_key"),
)

trigger_firings = sa.Table(
    "trigger_firings",
    metadata,
    sa.Column("id", Serial, sa.Identity(), primary_key=True),
    sa.Column("trigger_key", Key, sa.ForeignKey("triggers.key", ondelete="CASCADE"), nullable=False),
    sa.Column("profile_id", Key, nullable=False),
    sa.Column("change_seq", sa.BigInteger, nullable=False),
    # The data's time: of the change, when to look again (empty: the trigger's delay says), and of the decision.
    sa.Column("happened_at", Moment, nullable=False),
    sa.Column("due_at", Moment),
    sa.Column("state", Key, nullable=False),
    sa.Column("decided_at", Moment),
    # The share that was held out when it was decided; only of what fired or was held out.
    sa.Column("holdout", sa.Float),
    sa.CheckConstraint(f"state in {FIRING_STATES}", name="state"),
    sa.UniqueConstraint("trigger_key", "change_seq"),
    sa.Index("ix_trigger_firings_trigger_key_state_id", "trigger_key", "state", "id"),
    sa.Index("ix_trigger_firings_profile_id", "profile_id"),
    sqlite_autoincrement=True,
)
