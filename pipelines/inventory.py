"""The inventory of personal data over a state home: what is declared, and what is there without a declaration."""

from __future__ import annotations

from collections import defaultdict

from cdp.engine.duckdb import open_engine
from cdp.settings import Settings
from privacy.inventory import gaps
from privacy.inventory.load import load
from privacy.inventory.model import Inventory

_COLUMNS = "select table_schema || '.' || table_name, column_name from information_schema.columns"


def read_inventory(settings: Settings) -> Inventory:
    """All declarations."""
    return load(settings.dbt_project)


def find_gaps(settings: Settings) -> list[str]:
    """Sentences about columns, tables and files of this home that nobody declared."""
    from cdp.store.schema import metadata

    inventory = read_inventory(settings)
    held = {table.name: [column.name for column in table.columns] for table in metadata.sorted_tables}
    found = gaps.undeclared_columns(inventory, "store", held)
    if settings.warehouse.exists():
        there: dict[str, list[str]] = defaultdict(list)
        for table, column in open_engine(settings).rows(_COLUMNS):
            there[table].append(column)
        found += gaps.undeclared_columns(inventory, "warehouse", there)
    return found + gaps.undeclared_files(inventory, settings.home)
