"""The inventory's words for "rows of a person", as SQL conditions over the key tables of an erasure.

The key tables are on the connection that rewrites: `erase_records` (source:id), `erase_members` (the same with the
doubtful records of the profiles), `erase_profiles`, `erase_devices` (held by nobody else), `erase_values`,
`erase_events` (entity, record key of rows that go), `erase_cuts` (table, row number, new text of a column) and
`erase_rows` (table, row number).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from cdp.errors import ConfigurationError
from privacy.inventory.model import Rows, Table

KEY_TABLES = {
    "erase_records": "value varchar",
    "erase_members": "value varchar",
    "erase_profiles": "value varchar",
    "erase_devices": "value varchar",
    "erase_values": "value varchar",
    "erase_events": "entity varchar, value varchar",
    "erase_frequencies": "field varchar, value varchar",
    "erase_rows": "name varchar, row_no bigint",
    "erase_cuts": "name varchar, row_no bigint, field varchar, text varchar",
}


def condition(table: Table, name: str) -> str | None:
    """When a row (alias `t`) of the table called `name` goes; None for a table that keeps all its rows."""
    parts = [_condition(rows, name) for rows in table.rows]
    wanted = [part for part in parts if part is not None]
    return " or ".join(f"coalesce({part}, false)" for part in wanted) if wanted else None


def _condition(rows: Rows, name: str) -> str | None:
    if rows.by in ("none", "tombstone", "kept"):
        return None
    try:
        finder = _FINDERS[rows.by]
    except KeyError:
        raise ConfigurationError(f"The inventory finds rows of {name} by {rows.by!r}, which is no finder.") from None
    return finder(rows.columns, name)


def _in(keys: str) -> Callable[[tuple[str, ...], str], str]:
    return lambda columns, _: _any(f"t.{column} in (select value from {keys})" for column in columns)


def _record(columns: tuple[str, ...], _: str) -> str:
    source, key = columns
    said = f"'{source[1:]}'" if source.startswith("=") else f"t.{source}"
    return f"{said} || ':' || t.{key} in (select value from erase_records)"


def _address(columns: tuple[str, ...], _: str) -> str:
    return f"'marketing:' || t.{columns[0]} in (select value from erase_records)"


def _event(columns: tuple[str, ...], _: str) -> str:
    return f"t.{columns[1]} in (select value from erase_events where entity = '{columns[0]}')"


def _rows(_: tuple[str, ...], name: str) -> str:
    return f"t.rowid in (select row_no from erase_rows where name = '{name}')"


def _attached(columns: tuple[str, ...], _: str) -> str:
    kind, key, profile = columns
    return (
        f"(t.{kind} = 'device' and t.{key} in (select value from erase_devices))"
        f" or (t.{kind} = 'address' and 'marketing:' || t.{key} in (select value from erase_records))"
        f" or t.{profile} in (select value from erase_profiles)"
    )


def _frequency(columns: tuple[str, ...], _: str) -> str:
    field, value = columns
    return f"t.{field} || '|' || t.{value} in (select field || '|' || value from erase_frequencies)"


def _log(columns: tuple[str, ...], name: str) -> str:
    """What the log says of a profile goes; that it was retired by an erasure stays."""
    return f"{_in('erase_profiles')(columns[:1], name)} and t.reason is distinct from 'erased'"


def _any(parts: Iterable[str]) -> str:
    return " or ".join(parts)


_FINDERS: dict[str, Callable[[tuple[str, ...], str], str]] = {
    "profile": _in("erase_profiles"),
    "log": _log,
    "record": _record,
    "record_key": _in("erase_members"),
    "address": _address,
    "device": _in("erase_devices"),
    "event": _event,
    "deal": lambda columns, _: _event(("sales.deals", columns[0]), ""),
    "value": lambda columns, _: f"t.{columns[1]} in (select value from erase_values)",
    "raw": _rows,
    "quarantine": _rows,
    "attached": _attached,
    "frequency": _frequency,
}
