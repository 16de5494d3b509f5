"""Bringing a store's schema up to date, once, also when several processes open it at the same moment.

Alembic is loaded only when there is something to do. All migrations of an upgrade run in one transaction under the
database's own lock: a kill leaves the former schema.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from cdp.errors import ConfigurationError
from cdp.store.running import Backend
from cdp.store.schema import REVISION

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(engine: sa.Engine, backend: Backend) -> None:
    """Migrate to the newest schema. Raises ConfigurationError when the store is newer than this code."""
    with engine.connect() as connection:
        if stored_revision(connection) == REVISION:
            return
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        backend.lock(connection, "schema")
        stored = stored_revision(connection)
        if stored != REVISION:
            _apply(connection, stored)


def stored_revision(connection: sa.Connection) -> str | None:
    """The schema revision a database is at, or None for an empty one."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("select version_num from alembic_version")).scalar()


def _apply(connection: sa.Connection, stored: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}
    if stored is not None and stored not in known:
        raise ConfigurationError(
            f"The store was made by a newer Wayfinder (schema {stored}, we know {REVISION}): update this one."
        )
    command.upgrade(config, "head")
