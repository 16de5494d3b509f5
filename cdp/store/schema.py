"""The tables of the store, in SQLAlchemy Core: one schema for SQLite and PostgreSQL.

Changes go through `migrations/` and raise `REVISION`; a test compares both. JSON is kept as text because it is served
and never queried. Keys compare bytewise on both databases, so that cursors page in the same order everywhere.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

# The newest migration. Kept here so that opening an up-to-date store does not have to load Alembic.
REVISION = "0010"

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(sa.types.TypeDecorator[datetime]):
    """An aware UTC datetime: `timestamptz` on PostgreSQL, ISO 8601 text that sorts by time on SQLite."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """The column type of a database."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(sa.DateTime(timezone=True))
        return dialect.type_descriptor(sa.Text())

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        """To the database; a datetime without zone is refused."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        return value.astimezone(UTC) if dialect.name == "postgresql" else moment_text(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        """From the database."""
        return moment(value)


def moment_text(value: datetime) -> str:
    """ISO 8601 in UTC with six digits of a second, so that text order is time order."""
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def moment(value: str | datetime | None) -> datetime | None:
    """What either database gives for a moment, as an aware UTC datetime."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.astimezone(UTC) if value is not None else None


Key = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

publications = sa.Table(
    "publications",
    metadata,
    sa.Column("seq", Serial, sa.Identity(), primary_key=True),
    sa.Column("run_id", Key, nullable=False),
    sa.Column("snapshot_file", sa.Text, nullable=False),
    sa.Column("as_of", Moment, nullable=False),
    sa.Column("published_at", Moment, nullable=False),
    sa.Column("counts", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)

profiles = sa.Table(
    "profiles",
    metadata,
    sa.Column("profile_id", Key, primary_key=True),
    sa.Column("status", Key, nullable=False),
    sa.Column("merged_into", Key),
    sa.Column("document", sa.Text),
    sa.Column("content_hash", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.CheckConstraint("status in ('living', 'merged', 'split', 'retired')", name="status"),
    sa.CheckConstraint("(status = 'living') = (document is not null)", name="document"),
    sa.CheckConstraint("(status = 'merged') = (merged_into is not null)", name="merged_into"),
    sa.Index("ix_profiles_merged_into", "merged_into"),
)

identifiers = sa.Table(
    "identifiers",
    metadata,
    sa.Column("id", Serial, sa.Identity(), primary_key=True),
    sa.Column("type", Key, nullable=False),
    sa.Column("value_key", Key, nullable=False),
    sa.Column("profile_id", Key, sa.ForeignKey("profiles.profile_id", ondelete="CASCADE"), nullable=False),
    sa.UniqueConstraint("type", "value_key", "profile_id"),
    sa.Index("ix_identifiers_profile_id", "profile_id"),
)

segments = sa.Table(
    "segments",
    metadata,
    sa.Column("key", Key, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("definition", sa.Text, nullable=False),
    sa.Column("sentence", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("purpose", sa.Text),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("exportable", sa.BigInteger, nullable=False),
    sa.Column("evaluated_at", Moment, nullable=False),
    sa.Column("origin", Key, nullable=False, server_default="shipped"),
    sa.Column("problem", sa.Text),
    sa.Column("blocking", sa.Text, nullable=False, server_default="[]"),
    sa.CheckConstraint("origin in ('shipped', 'user')", name="origin"),
)

memberships = sa.Table(
    "memberships",
    metadata,
    sa.Column("id", Serial, sa.Identity(), primary_key=True),
    sa.Column("segment_key", Key, sa.ForeignKey("segments.key", ondelete="CASCADE"), nullable=False),
    sa.Column("profile_id", Key, sa.ForeignKey("profiles.profile_id", ondelete="CASCADE"), nullable=False),
    sa.Column("since", Moment, nullable=False),
    sa.Column("valid_from", Moment, nullable=False),
    sa.Column("exportable", sa.Boolean, nullable=False),
    sa.UniqueConstraint("segment_key", "profile_id"),
    sa.Index("ix_memberships_profile_id", "profile_id"),
)

membership_changes = sa.Table(
    "membership_changes",
    metadata,
    sa.Column("seq", Serial, sa.Identity(), primary_key=True),
    sa.Column("segment_key", Key, nullable=False),
    sa.Column("profile_id", Key, nullable=False),
    sa.Column("change", sa.Text, nullable=False),
    sa.Column("run_id", Key, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("reason", Key, nullable=False, server_default="evaluated"),
    sa.Column("former_id", Key),
    sa.CheckConstraint("change in ('entered', 'exited', 'carried')", name="change"),
    sa.CheckConstraint("(change = 'carried') = (former_id is not null)", name="former_id"),
    sa.Index("ix_membership_changes_segment_key_seq", "segment_key", "seq"),
    sa.Index("ix_membership_changes_profile_id", "profile_id"),
    sa.Index("ix_membership_changes_former_id", "former_id"),
    sqlite_autoincrement=True,
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", Key, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("prefix", Key, nullable=False, unique=True),
    sa.Column("secret_hash", sa.Text, nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("revoked_at", Moment),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("seq", Serial, sa.Identity(), primary_key=True),
    sa.Column("entry_id", Key, nullable=False, unique=True),
    sa.Column("at", Moment, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", Key, nullable=False),
    sa.Column("object", Key, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("previous_hash", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Index("ix_audit_object_seq", "object", "seq"),
    sqlite_autoincrement=True,
)

secrets = sa.Table(
    "secrets",
    metadata,
    sa.Column("name", Key, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
