"""The tables of activation: destinations, the outbox that is also the log, and whom each receiver holds.

An outbox row is written in the transaction of the change it tells; that somebody is erased, their data corrected or
restricted is a change too. Addresses and secrets of receivers are in `destinations`, which no erasure touches;
deliveries and holdings name people by profile id only.
"""

from __future__ import annotations

import sqlalchemy as sa

from cdp.store.schema import Key, Moment, Serial, metadata

STATES = ("pending", "delivered", "withheld", "superseded", "dead")
# What receivers are told of people who stay (GDPR Art. 19).
NOTICES = ("rectified", "restricted", "lifted")
KINDS = ("entered", "exited", "carried", "trigger", "erased", *NOTICES)

destinations = sa.Table(
    "destinations",
    metadata,
    sa.Column("key", Key, primary_key=True),
    sa.Column("kind", Key, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("purpose", Key, nullable=False),
    sa.Column("config", sa.Text, nullable=False),
    sa.Column("secret", sa.Text),
    sa.Column("enabled", sa.Boolean, nullable=False),
    # The followed segments that are for another purpose now, by key; people of theirs were told as exits.
    sa.Column("unfit", sa.Text, nullable=False, server_default=""),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("saved_by", sa.Text, nullable=False),
    sa.Column("saved_at", Moment, nullable=False),
    # Who works on the queue: one worker at a time, until the lease ends.
    sa.Column("lease", Key),
    sa.Column("lease_until", Moment),
)

destination_segments = sa.Table(
    "destination_segments",
    metadata,
    sa.Column("destination_key", Key, sa.ForeignKey("destinations.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("segment_key", Key, primary_key=True),
    sa.Index("ix_destination_segments_segment_key", "segment_key"),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", Serial, sa.Identity(), primary_key=True),
    sa.Column("destination_key", Key, sa.ForeignKey("destinations.key", ondelete="CASCADE"), nullable=False),
    # The idempotency key: the same at every attempt, never given twice.
    sa.Column("message_id", Key, nullable=False, unique=True),
    sa.Column("profile_id", Key, nullable=False),
    sa.Column("former_id", Key),
    sa.Column("segment_key", Key, nullable=False),
    sa.Column("trigger_key", Key),
    sa.Column("kind", Key, nullable=False),
    sa.Column("reason", Key, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("state", Key, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    # Empty means at once.
    sa.Column("due_at", Moment),
    sa.Column("finished_at", Moment),
    sa.Column("error", Key),
    # The subject request that asked for what is told (GDPR Art. 19).
    sa.Column("request", Key),
    # The correction, or the entry of the consent ledger, that a notice is about.
    sa.Column("notice", Key),
    sa.CheckConstraint(f"state in {STATES}", name="state"),
    sa.CheckConstraint(f"kind in {KINDS}", name="kind"),
    sa.CheckConstraint("(kind = 'trigger') = (trigger_key is not null)", name="trigger_key"),
    sa.CheckConstraint(
        f"(kind <> 'erased' or request is not null) and (request is null or kind = 'erased' or kind in {NOTICES})",
        name="request",
    ),
    sa.CheckConstraint(f"(kind in {NOTICES}) = (notice is not null)", name="notice"),
    sa.Index("ix_deliveries_destination_key_state_id", "destination_key", "state", "id"),
    sa.Index("ix_deliveries_profile_id", "profile_id"),
    sa.Index("ix_deliveries_former_id", "former_id"),
    sa.Index("ix_deliveries_request", "request"),
    sa.Index(
        "ix_deliveries_notice",
        "notice",
        sqlite_where=sa.text("notice is not null"),
        postgresql_where=sa.text("notice is not null"),
    ),
    sqlite_autoincrement=True,
)

# Whom a receiver knows to be in a segment: what an exit takes back, and what a resync compares with.
destination_members = sa.Table(
    "destination_members",
    metadata,
    sa.Column("destination_key", Key, sa.ForeignKey("destinations.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("segment_key", Key, primary_key=True),
    sa.Column("profile_id", Key, primary_key=True),
    sa.Column("since", Moment, nullable=False),
    sa.Index("ix_destination_members_profile_id", "profile_id"),
)
