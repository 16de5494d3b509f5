"""The share held out when a firing was decided.

Of firings before, the share of today counts from the first person held out to the last; outside of them nobody was.
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_FILL = """
update trigger_firings set holdout = case when id between
    (select min(h.id) from trigger_firings as h where h.trigger_key = :key and h.state = 'held_out')
    and (select max(h.id) from trigger_firings as h where h.trigger_key = :key and h.state = 'held_out')
    then cast(:share as double precision) else 0 end
where trigger_key = :key and state in ('fired', 'held_out')
"""


def upgrade() -> None:
    """Add the column and fill it."""
    op.add_column("trigger_firings", sa.Column("holdout", sa.Float))
    fill(op.get_bind())


def fill(connection: sa.Connection) -> None:
    """Give the firings that are there their share."""
    for key, definition in connection.execute(sa.text("select key, definition from triggers")).fetchall():
        share = float(json.loads(str(definition)).get("holdout", 0.0))
        connection.execute(sa.text(_FILL), {"key": key, "share": share})
