"""Receivers are told of erasures: a kind of message of its own, with the request it belongs to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

Key = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Let the outbox hold these messages."""
    with op.batch_alter_table("deliveries", table_kwargs={"sqlite_autoincrement": True}, recreate="auto") as batch:
        batch.add_column(sa.Column("request", Key))
        batch.drop_constraint(op.f("ck_deliveries_kind"), type_="check")
        batch.create_check_constraint(
            op.f("ck_deliveries_kind"), "kind in ('entered', 'exited', 'carried', 'trigger', 'erased')"
        )
        batch.create_check_constraint(op.f("ck_deliveries_request"), "(kind = 'erased') = (request is not null)")
    op.create_index("ix_deliveries_request", "deliveries", ["request"])
