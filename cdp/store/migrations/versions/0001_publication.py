"""The first schema: publications, profiles, identifiers, segments, memberships and their changes, keys, audit, secrets.

Frozen: later changes are later files. Types are written out here, so that a change of `schema` cannot rewrite history.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Key = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Moment = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    """Create all tables."""
    _publications_and_profiles()
    _segments()
    _keys_and_audit()


def _publications_and_profiles() -> None:
    op.create_table(
        "publications",
        sa.Column("seq", Serial, sa.Identity(), nullable=False),
        sa.Column("run_id", Key, nullable=False),
        sa.Column("snapshot_file", sa.Text, nullable=False),
        sa.Column("as_of", Moment, nullable=False),
        sa.Column("published_at", Moment, nullable=False),
        sa.Column("counts", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_publications"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "profiles",
        sa.Column("profile_id", Key, nullable=False),
        sa.Column("status", Key, nullable=False),
        sa.Column("merged_into", Key),
        sa.Column("document", sa.Text),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("profile_id", name="pk_profiles"),
        sa.CheckConstraint("status in ('living', 'merged', 'split', 'retired')", name=op.f("ck_profiles_status")),
        sa.CheckConstraint("(status = 'living') = (document is not null)", name=op.f("ck_profiles_document")),
        sa.CheckConstraint("(status = 'merged') = (merged_into is not null)", name=op.f("ck_profiles_merged_into")),
    )
    op.create_table(
        "identifiers",
        sa.Column("id", Serial, sa.Identity(), nullable=False),
        sa.Column("type", Key, nullable=False),
        sa.Column("value_key", Key, nullable=False),
        sa.Column("profile_id", Key, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_identifiers"),
        sa.ForeignKeyConstraint(
            ["profile_id"], ["profiles.profile_id"], name="fk_identifiers_profile_id_profiles", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("type", "value_key", "profile_id", name="uq_identifiers_type_value_key_profile_id"),
    )
    op.create_index("ix_identifiers_profile_id", "identifiers", ["profile_id"])


def _segments() -> None:
    op.create_table(
        "segments",
        sa.Column("key", Key, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("sentence", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("purpose", sa.Text),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("exportable", sa.BigInteger, nullable=False),
        sa.Column("evaluated_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_segments"),
    )
    op.create_table(
        "memberships",
        sa.Column("id", Serial, sa.Identity(), nullable=False),
        sa.Column("segment_key", Key, nullable=False),
        sa.Column("profile_id", Key, nullable=False),
        sa.Column("since", Moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_memberships"),
        sa.ForeignKeyConstraint(
            ["segment_key"], ["segments.key"], name="fk_memberships_segment_key_segments", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["profile_id"], ["profiles.profile_id"], name="fk_memberships_profile_id_profiles", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("segment_key", "profile_id", name="uq_memberships_segment_key_profile_id"),
    )
    op.create_index("ix_memberships_profile_id", "memberships", ["profile_id"])
    op.create_table(
        "membership_changes",
        sa.Column("seq", Serial, sa.Identity(), nullable=False),
        sa.Column("segment_key", Key, nullable=False),
        sa.Column("profile_id", Key, nullable=False),
        sa.Column("change", sa.Text, nullable=False),
        sa.Column("run_id", Key, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_membership_changes"),
        sa.CheckConstraint("change in ('entered', 'exited')", name=op.f("ck_membership_changes_change")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_membership_changes_segment_key_seq", "membership_changes", ["segment_key", "seq"])
    op.create_index("ix_membership_changes_profile_id", "membership_changes", ["profile_id"])


def _keys_and_audit() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", Key, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("prefix", Key, nullable=False),
        sa.Column("secret_hash", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("revoked_at", Moment),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("prefix", name="uq_api_keys_prefix"),
    )
    op.create_table(
        "audit",
        sa.Column("seq", Serial, sa.Identity(), nullable=False),
        sa.Column("entry_id", Key, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", Key, nullable=False),
        sa.Column("object", Key, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("previous_hash", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
        sa.UniqueConstraint("entry_id", name="uq_audit_entry_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_object_seq", "audit", ["object", "seq"])
    op.create_table(
        "secrets",
        sa.Column("name", Key, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_secrets"),
    )
