"""The tables of corrections, on the store's one schema. Rows are only added: a correction is withdrawn by a row.

What disappears is an erased person's. `replaced` is filled once, by the run that first carries a correction out, and
`told` is set when its receivers are told of it.
"""

from __future__ import annotations

import sqlalchemy as sa

from cdp.store.schema import Key, Moment, Serial, metadata

corrections = sa.Table(
    "corrections",
    metadata,
    sa.Column("seq", Serial, sa.Identity(), primary_key=True),
    sa.Column("correction_id", Key, nullable=False, unique=True),
    sa.Column("profile_id", Key, nullable=False),
    sa.Column("lasts", Key, nullable=False),
    sa.Column("request", Key),
    sa.Column("recorded_by", sa.Text, nullable=False),
    sa.Column("recorded_at", Moment, nullable=False),
    sa.Column("told", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.CheckConstraint("lasts in ('for_good', 'until_changed')", name="lasts"),
    sa.Index("ix_corrections_profile_id", "profile_id"),
    sqlite_autoincrement=True,
)

correction_places = sa.Table(
    "correction_places",
    metadata,
    sa.Column("correction_id", Key, sa.ForeignKey("corrections.correction_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("source", Key, primary_key=True),
    sa.Column("source_record_id", Key, primary_key=True),
    sa.Column("field", Key, primary_key=True),
    sa.Column("value", sa.Text),
    sa.Column("replaced", Key),
    sa.Index("ix_correction_places_source_source_record_id", "source", "source_record_id"),
)

correction_withdrawals = sa.Table(
    "correction_withdrawals",
    metadata,
    sa.Column("correction_id", Key, sa.ForeignKey("corrections.correction_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("recorded_by", sa.Text, nullable=False),
    sa.Column("recorded_at", Moment, nullable=False),
    sa.Column("told", sa.Boolean, nullable=False, server_default=sa.false()),
)
