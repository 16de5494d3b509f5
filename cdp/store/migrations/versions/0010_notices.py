"""Receivers are told of corrections and restrictions too; entries of the ledger name the request they answer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

Key = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

_NOTICES = "('rectified', 'restricted', 'lifted')"


def upgrade() -> None:
    """Let the outbox hold these messages. What was put right before is told by the next publication."""
    with op.batch_alter_table("deliveries", table_kwargs={"sqlite_autoincrement": True}, recreate="auto") as batch:
        batch.add_column(sa.Column("notice", Key))
        for name in ("kind", "request"):
            batch.drop_constraint(op.f(f"ck_deliveries_{name}"), type_="check")
        batch.create_check_constraint(
            op.f("ck_deliveries_kind"),
            "kind in ('entered', 'exited', 'carried', 'trigger', 'erased', 'rectified', 'restricted', 'lifted')",
        )
        batch.create_check_constraint(
            op.f("ck_deliveries_request"),
            f"(kind <> 'erased' or request is not null) and (request is null or kind = 'erased' or kind in {_NOTICES})",
        )
        batch.create_check_constraint(op.f("ck_deliveries_notice"), f"(kind in {_NOTICES}) = (notice is not null)")
    there = sa.text("notice is not null")
    op.create_index("ix_deliveries_notice", "deliveries", ["notice"], sqlite_where=there, postgresql_where=there)
    for table in ("corrections", "correction_withdrawals"):
        op.add_column(table, sa.Column("told", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("consent_statements", sa.Column("request", Key))
