"""The history of the store's schema, run by Alembic; `cdp.store.migrate` is the only one to start it.

A change of `cdp.store.schema` gets a file in `versions/` that names the former one as `down_revision`, and raises
`schema.REVISION`.
"""
