"""The inventory's words for "rows of a person", as conditions for reading: narrower than for erasing.

An erasure takes the whole profile and both ends of a comparison. A package must not show what belongs to somebody else,
so rows that name two records count only when both are the person's, and rows of a profile in which another record may
be somebody else's only when they say from which record they are. The key tables are those of `privacy.erasure.finders`.
"""

from __future__ import annotations

from dataclasses import replace

from privacy.erasure import finders
from privacy.inventory.model import Rows, Table

# Rows of the profile as a whole, whatever an erasure leaves of them.
OF_PROFILE = frozenset({"profile", "tombstone", "log"})
# Records as they were delivered.
RECEIVED = frozenset({"raw", "quarantine"})


def condition(table: Table, name: str, *, mixed: bool) -> str | None:
    """When a row (alias `t`) of the table called `name` is the person's; None when no row can be found by person.

    `mixed`: records that are perhaps somebody else's are in the profile.
    """
    parts = [_condition(table, rows, name, mixed=mixed) for rows in table.rows]
    wanted = [part for part in parts if part is not None]
    return " or ".join(f"coalesce({part}, false)" for part in wanted) if wanted else None


def _condition(table: Table, rows: Rows, name: str, *, mixed: bool) -> str | None:
    if rows.by in ("none", "kept"):
        return None
    if rows.by in OF_PROFILE:
        return _of_profile(table, rows, mixed=mixed)
    if rows.by == "record_key":
        return " and ".join(f"t.{column} in (select value from erase_records)" for column in rows.columns)
    if rows.by == "attached" and mixed:
        kind, key, _ = rows.columns
        return (
            f"(t.{kind} = 'device' and t.{key} in (select value from erase_devices))"
            f" or (t.{kind} = 'address' and 'marketing:' || t.{key} in (select value from erase_records))"
        )
    if rows.by in RECEIVED:
        # A row about several people stays where it is in an erasure and only loses the person's number.
        return " or ".join(
            f"t.rowid in (select row_no from {keys} where name = '{name}')" for keys in ("erase_rows", "erase_cuts")
        )
    return finders.condition(replace(table, rows=(rows,)), name)


def _of_profile(table: Table, rows: Rows, *, mixed: bool) -> str:
    of_profile = f"t.{rows.columns[0]} in (select value from erase_profiles)"
    if not mixed:
        return of_profile
    if {"source", "source_record_id"} <= set(table.columns):
        certain = "t.source || ':' || t.source_record_id in (select value from erase_records)"
        return f"{of_profile} and {certain}"
    return "false"
