"""SQL over the JSON column `record`: the few typed readings that contracts need.

An unreadable value becomes NULL, never an error; whether NULL is allowed is the contract's business.
"""

from __future__ import annotations


def json_path(column: str, *, nested: bool = True) -> str:
    """The JSON path of a canonical column as an SQL literal; dots lead into objects when `nested`."""
    parts = column.split(".") if nested else [column]
    quoted = ".".join('"' + part.replace('"', '\\"') + '"' for part in parts)
    return literal(f"$.{quoted}")


def literal(text: str) -> str:
    """An SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def text(column: str) -> str:
    """The trimmed text of a column; NULL when empty or absent."""
    return f"nullif(trim(record ->> {json_path(column)}), '')"


def moment(column: str) -> str:
    """A point in time in UTC (ISO 8601; without a zone it is UTC); NULL when it cannot be read."""
    return finite(f"try_cast({text(column)} as timestamptz) at time zone 'UTC'")


def finite(sql: str) -> str:
    """The time, or NULL for the infinities that the engine's parser knows by name."""
    return f"case when isfinite({sql}) then {sql} end"


def number(column: str) -> str:
    """A finite number with a decimal point; NULL when it cannot be read."""
    value = f"try_cast({text(column)} as double)"
    return f"case when isfinite({value}) then {value} end"


def readable(column: str, typed: str) -> str:
    """False only when a value is given and could not be read as `typed`."""
    return f"({text(column)} is null or {typed} is not null)"
