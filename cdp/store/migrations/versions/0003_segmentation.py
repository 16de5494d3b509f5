"""User segments with versions, memberships over time, and changes that a merge or a withdrawn consent makes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

Key = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Moment = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    """Create the new tables and extend the served ones."""
    _versions_and_history()
    _segments()
    _memberships()
    _changes()
    op.create_index("ix_profiles_merged_into", "profiles", ["merged_into"])


def _versions_and_history() -> None:
    op.create_table(
        "segment_versions",
        sa.Column("key", Key, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("sentence", sa.Text, nullable=False),
        sa.Column("saved_by", sa.Text, nullable=False),
        sa.Column("saved_at", Moment, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("key", "version", name="pk_segment_versions"),
    )
    op.create_table(
        "membership_history",
        sa.Column("id", Serial, sa.Identity(), nullable=False),
        sa.Column("segment_key", Key, nullable=False),
        sa.Column("profile_id", Key, nullable=False),
        sa.Column("since", Moment, nullable=False),
        sa.Column("valid_from", Moment, nullable=False),
        sa.Column("valid_to", Moment, nullable=False),
        sa.Column("exportable", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_membership_history"),
    )
    place = ["segment_key", "profile_id", "valid_from"]
    op.create_index("ix_membership_history_segment_key_profile_id", "membership_history", place)
    op.create_index("ix_membership_history_profile_id", "membership_history", ["profile_id"])
    op.create_table(
        "membership_holds",
        sa.Column("profile_id", Key, nullable=False),
        sa.Column("purpose", Key, nullable=False),
        sa.Column("since", Moment, nullable=False),
        sa.PrimaryKeyConstraint("profile_id", "purpose", name="pk_membership_holds"),
    )
    op.create_table(
        "membership_clock",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_membership_clock"),
    )


def _segments() -> None:
    """Columns only: rebuilding the table would let SQLite empty what refers to it."""
    key = 'text collate "C"' if _on_postgres() else "text"
    op.execute(
        f"alter table segments add column origin {key} not null default 'shipped' "
        "constraint ck_segments_origin check (origin in ('shipped', 'user'))"
    )
    op.execute("alter table segments add column problem text")
    op.execute("alter table segments add column blocking text not null default '[]'")


def _memberships() -> None:
    """What is there counts from its own beginning; whom a purpose may reach is told by the next publication."""
    if _on_postgres():
        op.add_column("memberships", sa.Column("valid_from", Moment))
        op.execute("update memberships set valid_from = since")
        op.alter_column("memberships", "valid_from", nullable=False)
        op.execute("alter table memberships add column exportable boolean not null default true")
        op.alter_column("memberships", "exportable", server_default=None)
        return
    op.execute("alter table memberships add column valid_from text not null default '0001-01-01T00:00:00.000000+00:00'")
    op.execute("update memberships set valid_from = since")
    op.execute("alter table memberships add column exportable boolean not null default true")


def _changes() -> None:
    with op.batch_alter_table(
        "membership_changes", table_kwargs={"sqlite_autoincrement": True}, recreate="auto"
    ) as batch:
        batch.add_column(sa.Column("reason", Key, nullable=False, server_default="evaluated"))
        batch.add_column(sa.Column("former_id", Key))
        batch.drop_constraint(op.f("ck_membership_changes_change"), type_="check")
        kinds = "change in ('entered', 'exited', 'carried')"
        batch.create_check_constraint(op.f("ck_membership_changes_change"), kinds)
        batch.create_check_constraint(
            op.f("ck_membership_changes_former_id"), "(change = 'carried') = (former_id is not null)"
        )
    op.create_index("ix_membership_changes_former_id", "membership_changes", ["former_id"])


def _on_postgres() -> bool:
    return op.get_bind().dialect.name == "postgresql"
