"""One module per source system: its files, columns and keys, and the typed view its contract is checked on.

Never imports Dagster and opens no connection; `registry` lists all entities, `mapping` reads other people's names.
"""
