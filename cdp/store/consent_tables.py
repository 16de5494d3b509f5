"""The tables of the consent ledger, on the store's one schema. Rows are only added.

What disappears is an erased person's. An entry names the profile id of its time, and the source records that the
profile held, so that what was said follows the person through merges and splits.
"""

from __future__ import annotations

import sqlalchemy as sa

from cdp.store.schema import Key, Moment, Serial, metadata

consent_statements = sa.Table(
    "consent_statements",
    metadata,
    sa.Column("seq", Serial, sa.Identity(), primary_key=True),
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
    # The subject request that it answers.
    sa.Column("request", Key),
    sa.CheckConstraint("state in ('given', 'withdrawn', 'objected', 'restricted', 'lifted')", name="state"),
    sa.CheckConstraint("origin in ('person', 'import')", name="origin"),
    sa.CheckConstraint("(state in ('restricted', 'lifted')) = (purpose = '*')", name="purpose"),
    sa.Index("ix_consent_statements_profile_id", "profile_id"),
    sqlite_autoincrement=True,
)

consent_records = sa.Table(
    "consent_records",
    metadata,
    sa.Column("seq", Serial, sa.ForeignKey("consent_statements.seq", ondelete="CASCADE"), primary_key=True),
    sa.Column("source", Key, primary_key=True),
    sa.Column("source_record_id", Key, primary_key=True),
    sa.Index("ix_consent_records_source_source_record_id", "source", "source_record_id"),
)
