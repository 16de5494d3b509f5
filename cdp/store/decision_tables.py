"""The tables of what people decide about identity, on the store's one schema.

Rows are only added: a decision is withdrawn by a row of its own. What disappears is what an erased person was named in.
"""

from __future__ import annotations

import sqlalchemy as sa

from cdp.store.schema import Key, Moment, Serial, metadata

identity_decisions = sa.Table(
    "identity_decisions",
    metadata,
    sa.Column("seq", Serial, sa.Identity(), primary_key=True),
    sa.Column("decision_id", Key, nullable=False, unique=True),
    sa.Column("kind", Key, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("note", sa.Text),
    sa.CheckConstraint("kind in ('merge', 'split', 'same', 'different')", name="kind"),
    sqlite_autoincrement=True,
)

identity_decision_links = sa.Table(
    "identity_decision_links",
    metadata,
    sa.Column(
        "decision_id", Key, sa.ForeignKey("identity_decisions.decision_id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("record_a", Key, primary_key=True),
    sa.Column("record_b", Key, primary_key=True),
    sa.Column("kind", Key, nullable=False),
    sa.CheckConstraint("kind in ('always', 'never')", name="kind"),
    sa.CheckConstraint("record_a < record_b", name="order"),
    sa.Index("ix_identity_decision_links_record_a", "record_a"),
    sa.Index("ix_identity_decision_links_record_b", "record_b"),
)

identity_withdrawals = sa.Table(
    "identity_withdrawals",
    metadata,
    sa.Column(
        "decision_id", Key, sa.ForeignKey("identity_decisions.decision_id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("note", sa.Text),
)

identity_hub_edits = sa.Table(
    "identity_hub_edits",
    metadata,
    sa.Column("seq", Serial, sa.Identity(), primary_key=True),
    sa.Column("kind", Key, nullable=False),
    sa.Column("value", Key, nullable=False),
    sa.Column("action", Key, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("note", sa.Text),
    sa.CheckConstraint("kind in ('email', 'phone', 'address')", name="kind"),
    sa.CheckConstraint("action in ('block', 'allow', 'learn')", name="action"),
    sqlite_autoincrement=True,
)
