"""The tables of segmentation beside the served ones: versions of definitions, former memberships, and who is held back.

Versions are only added; deleting a segment adds a version. Former memberships name the id of their time. Current
memberships, changes and segments are in `schema`, because a publication writes them too.
"""

from __future__ import annotations

import sqlalchemy as sa

from cdp.store.schema import Key, Moment, Serial, metadata

segment_versions = sa.Table(
    "segment_versions",
    metadata,
    sa.Column("key", Key, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("definition", sa.Text, nullable=False),
    sa.Column("sentence", sa.Text, nullable=False),
    sa.Column("saved_by", sa.Text, nullable=False),
    sa.Column("saved_at", Moment, nullable=False),
    sa.Column("deleted", sa.Boolean, nullable=False),
)

# In the segment under this id from `valid_from` on and until just before `valid_to`; `since` when the stay began.
membership_history = sa.Table(
    "membership_history",
    metadata,
    sa.Column("id", Serial, sa.Identity(), primary_key=True),
    sa.Column("segment_key", Key, nullable=False),
    sa.Column("profile_id", Key, nullable=False),
    sa.Column("since", Moment, nullable=False),
    sa.Column("valid_from", Moment, nullable=False),
    sa.Column("valid_to", Moment, nullable=False),
    sa.Column("exportable", sa.Boolean, nullable=False),
    sa.Index("ix_membership_history_segment_key_profile_id", "segment_key", "profile_id", "valid_from"),
    sa.Index("ix_membership_history_profile_id", "profile_id"),
)

# Who may not be used for a purpose (`*`: for any), whatever an evaluation says that does not know it. A hold of the
# consent ledger names its entry, and an evaluation that has read the ledger so far decides itself; others stay.
membership_holds = sa.Table(
    "membership_holds",
    metadata,
    sa.Column("profile_id", Key, primary_key=True),
    sa.Column("purpose", Key, primary_key=True),
    sa.Column("since", Moment, nullable=False),
    sa.Column("entry", sa.BigInteger),
)

# The latest moment that any membership speaks of: moments never go back, so that stays do not overlap.
membership_clock = sa.Table(
    "membership_clock",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", Moment, nullable=False),
)
