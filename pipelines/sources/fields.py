"""SQL for the few typed readings that keys and contracts need.

The texts of all columns an expression mentions are taken out of the JSON record in one go (`texts`), because parsing
the record again for each is what costs time. An unreadable value becomes NULL, never an error; whether NULL is allowed
is the contract's business.
"""

from __future__ import annotations

from collections.abc import Iterable


def json_path(column: str, *, nested: bool = True) -> str:
    """The JSON path of a canonical column as an SQL literal; dots lead into objects when `nested`."""
    parts = column.split(".") if nested else [column]
    quoted = ".".join('"' + part.replace('"', '\\"') + '"' for part in parts)
    return literal(f"$.{quoted}")


def literal(text: str) -> str:
    """An SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def text(column: str) -> str:
    """The trimmed text of a column; NULL when empty or absent. Refers to a column that `texts` provides."""
    name = column.replace('"', '""')
    return f'"text of {name}"'


def texts(columns: Iterable[str], expressions: Iterable[str], relation: str) -> str:
    """A relation with all columns of `relation` (which has a JSON column `record`) and the texts that are mentioned."""
    mentioned = " ".join(expressions)
    wanted = [column for column in columns if text(column) in mentioned]
    paths = ", ".join(json_path(column) for column in wanted)
    found = ", ".join(f"nullif(trim(found[{n}]), '') as {text(column)}" for n, column in enumerate(wanted, start=1))
    return f"(select *, {found} from (select *, json_extract_string(record, [{paths}]) as found from {relation}))"


def moment(column: str) -> str:
    """A point in time in UTC (ISO 8601; without a zone it is UTC); NULL when it cannot be read."""
    return finite(f"try_cast({text(column)} as timestamptz) at time zone 'UTC'")


def finite(sql: str) -> str:
    """The time, or NULL for the infinities that the engine's parser knows by name."""
    return f"case when isfinite({sql}) then {sql} end"


def number(column: str) -> str:
    """A finite number with a decimal point; a dollar sign and commas between thousands are allowed, other commas not.

    NULL when it cannot be read.
    """
    plain = f"regexp_replace({text(column)}, '[$,]', '', 'g')"
    value = f"try_cast(case when {_amount(column)} then {plain} else {text(column)} end as double)"
    return f"case when isfinite({value}) then {value} end"


def _amount(column: str) -> str:
    return f"regexp_full_match({text(column)}, '[-+]?\\$?[-+]?\\d{{1,3}}(,\\d{{3}})*(\\.\\d*)?')"


def readable(column: str, typed: str) -> str:
    """False only when a value is given and could not be read as `typed`."""
    return f"({text(column)} is null or {typed} is not null)"


def possible(typed: str) -> str:
    """False only for a time before 1990 or beyond the column `horizon`."""
    return f"({typed} is null or {typed} between timestamp '1990-01-01' and horizon)"
