"""Which names a definition may use, read from the published snapshot.

Traits are the columns of `marts.profiles`, properties those of `marts.touchpoints`, predictions the number columns of
`marts.predictions` (when published); event names, touchpoint types, stages and experiments are those that occur or are
declared. Column names reach SQL only from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import duckdb

from cdp.errors import NotFoundError


class Kind(StrEnum):
    """What a value can be compared with."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "true or false"
    MOMENT = "moment"
    DATE = "date"
    TEXTS = "list of texts"


OPERATORS: Mapping[Kind, tuple[str, ...]] = {
    Kind.TEXT: ("=", "!=", "in", "not in", "contains", "starts with", "ends with", "is missing", "is known"),
    Kind.NUMBER: ("=", "!=", "<", "<=", ">", ">=", "in", "not in", "between", "is missing", "is known"),
    Kind.FLAG: ("=", "!=", "is missing", "is known"),
    Kind.MOMENT: ("<", "<=", ">", ">=", "between", "is missing", "is known"),
    Kind.DATE: ("=", "!=", "<", "<=", ">", ">=", "between", "is missing", "is known"),
    Kind.TEXTS: ("contains", "is missing", "is known"),
}

# Keys and technical columns: comparing them says nothing about a person.
_HIDDEN = frozenset({"profile_id", "touchpoint_id", "source_record_key"})


@dataclass(frozen=True)
class Catalogue:
    """The names of one snapshot; `open_events` lets names pass that have not occurred yet."""

    traits: Mapping[str, Kind]
    properties: Mapping[str, Kind]
    events: frozenset[str] = frozenset()
    touchpoints: frozenset[str] = frozenset()
    stages: tuple[str, ...] = ()
    experiments: Mapping[str, frozenset[str]] = field(default_factory=dict)
    predictions: Mapping[str, Kind] = field(default_factory=dict)
    open_events: bool = False


_PLAIN_KINDS = {
    "VARCHAR": Kind.TEXT,
    "UUID": Kind.TEXT,
    "BOOLEAN": Kind.FLAG,
    "DATE": Kind.DATE,
    "VARCHAR[]": Kind.TEXTS,
}
_KIND_STARTS = {
    ("ENUM",): Kind.TEXT,
    ("TIMESTAMP",): Kind.MOMENT,
    ("DECIMAL", "FLOAT", "DOUBLE", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"): Kind.NUMBER,
    ("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"): Kind.NUMBER,
}


def kind_of(type_name: str) -> Kind | None:
    """The kind of a DuckDB column type; None for types that conditions cannot compare."""
    name = type_name.upper()
    if name in _PLAIN_KINDS:
        return _PLAIN_KINDS[name]
    if name.endswith("]"):
        return None
    return next((kind for starts, kind in _KIND_STARTS.items() if name.startswith(starts)), None)


def read(connection: duckdb.DuckDBPyConnection, *, schema: str = "marts", open_events: bool = False) -> Catalogue:
    """The catalogue of an open snapshot; NotFoundError when it holds no profiles."""
    columns = _columns(connection, schema)
    if "profiles" not in columns or "touchpoints" not in columns:
        raise NotFoundError(f"The snapshot has no {schema}.profiles and {schema}.touchpoints: run the pipeline first.")
    experiments: dict[str, set[str]] = {}
    if "experiments" in columns:
        for name, arm in _rows(connection, f'SELECT DISTINCT experiment, arm FROM "{schema}".experiments'):
            experiments.setdefault(name, set()).add(arm)
    return Catalogue(
        traits=columns["profiles"],
        properties=columns["touchpoints"],
        events=_names(connection, f'SELECT DISTINCT event_name FROM "{schema}".touchpoints'),
        touchpoints=_names(connection, f'SELECT DISTINCT touchpoint_type FROM "{schema}".touchpoints'),
        stages=_stages(connection, schema, columns),
        experiments={name: frozenset(arms) for name, arms in experiments.items()},
        predictions={n: k for n, k in columns.get("predictions", {}).items() if k is Kind.NUMBER},
        open_events=open_events,
    )


def _columns(connection: duckdb.DuckDBPyConnection, schema: str) -> dict[str, dict[str, Kind]]:
    rows = connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns()"
        " WHERE schema_name = ? AND database_name = current_database() ORDER BY table_name, column_index",
        [schema],
    ).fetchall()
    tables: dict[str, dict[str, Kind]] = {}
    for table, column, type_name in rows:
        kinds = tables.setdefault(table, {})
        kind = kind_of(type_name)
        if kind is not None and column not in _HIDDEN:
            kinds[column] = kind
    return tables


def _stages(
    connection: duckdb.DuckDBPyConnection, schema: str, columns: Mapping[str, Mapping[str, Kind]]
) -> tuple[str, ...]:
    if "journey_stages" in columns:
        return tuple(
            row[0] for row in _rows(connection, f'SELECT stage FROM "{schema}".journey_stages ORDER BY position')
        )
    return tuple(sorted(_names(connection, f'SELECT DISTINCT current_stage FROM "{schema}".profiles')))


def _names(connection: duckdb.DuckDBPyConnection, sql: str) -> frozenset[str]:
    return frozenset(row[0] for row in _rows(connection, sql) if row[0] is not None)


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[str, ...]]:
    return connection.execute(sql).fetchall()
