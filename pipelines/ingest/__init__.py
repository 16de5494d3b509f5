"""From a delivered folder to raw tables: land, read, judge, settle, and keep the ledger. Never imports Dagster.

The order of one load: `landing` copies files, `load` reads them in groups (`reading*`, `stage`, `records`), judges
rows (`contract`), decides each row's fate (`fates`), and writes one transaction per file with its ledger entry
(`commit`).
"""
