"""Alembic's entry: run the migrations on the connection and in the transaction that `cdp.store.migrate` opened."""

from __future__ import annotations

from alembic import context

from cdp.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
