"""Resolve any table of people on its own, without the pipeline: a file and a mapping in, a file of profiles out.

The table takes the place of the pipeline's source records in a database in memory; everything after that is the same
code. Nothing is remembered between two calls.
"""

from __future__ import annotations

import codecs
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from cdp.clock import wall_now
from cdp.errors import InputError
from cdp.spill import spill_folder
from cdp.wording import counted
from identity import model_store, resolution, state
from identity.config import MatchConfig
from identity.mapping import ROLES, Mapping, read_mapping
from identity.membership import Run
from identity.resolution import Progress

_SOURCE = "records"
# The row's place in the file, under a name that no file gives a column.
_PLACE = "place in the file"


@dataclass(frozen=True)
class ResolveReport:
    """Records read, profiles found, how many records only a name holds in theirs, pairs compared and the model used."""

    records: int
    profiles: int
    provisional: int
    pairs: int
    refusals: int
    model: dict[str, Any]
    out: str
    evaluation: dict[str, Any] | None = None


def resolve_table(
    records: Path,
    mapping: Path,
    out: Path,
    truth: str | None = None,
    *,
    progress: Progress | None = None,
    threads: int = 2,
    memory_limit: str = "4GB",
) -> ResolveReport:
    """Resolve the CSV or Parquet file `records` and write `record_id, profile_id, confidence` to `out`.

    `truth` names a column that holds the true person; the report then holds the evaluation. InputError or
    ConfigurationError when a file, column or role is wrong.
    """
    plan = read_mapping(mapping)
    extra = tuple((f"x_{number}", kind) for number, kind in enumerate(plan.extra.values()))
    config = MatchConfig(unique_sources=plan.one_record_per_source, extra=extra, country=plan.country)
    _check_output(out)
    with _memory(threads, memory_limit) as connection:
        _load(connection, records, plan, truth)
        state.prepare(connection, config)
        now = wall_now()
        outcome = resolution.resolve_records(
            connection, "given_records", config, Run("resolve", now), progress=progress
        )
        connection.execute(
            "create table resolved as "
            "select g.source_record_id as record_id, m.profile_id, m.confidence, m.provisional, g.truth "
            "from given_records as g join identity.identity_map as m using (source, source_record_id) order by g.place"
        )
        connection.execute("copy (select record_id, profile_id, confidence from resolved) to ?", [str(out)])
        profiles, provisional, refusals = connection.execute(
            "select count(distinct profile_id), count(*) filter (provisional), "
            "(select count(*) from identity.refusals) from resolved"
        ).fetchall()[0]
        return ResolveReport(
            records=outcome.records,
            profiles=int(profiles),
            provisional=int(provisional),
            pairs=outcome.pairs,
            refusals=int(refusals),
            model=_model_facts(connection),
            out=str(out),
            evaluation=_evaluate(connection) if truth else None,
        )


@contextmanager
def _memory(threads: int, memory_limit: str) -> Iterator[duckdb.DuckDBPyConnection]:
    with tempfile.TemporaryDirectory(prefix="wayfinder-resolve-") as spill:
        connection = duckdb.connect(
            ":memory:",
            config={
                "threads": threads,
                "memory_limit": memory_limit,
                "temp_directory": str(spill_folder(Path(spill))),
                "max_temp_directory_size": "50GB",
                "autoinstall_known_extensions": False,
            },
        )
        connection.execute("set enable_progress_bar = false")
        try:
            yield connection
        finally:
            connection.close()


def _load(connection: duckdb.DuckDBPyConnection, path: Path, plan: Mapping, truth: str | None) -> None:
    """`given_records`: the shape of source records, with the extra columns, the truth and the place in the file."""
    columns = _read(connection, path)
    plan.check_columns(columns, path.name)
    if truth is not None and truth not in columns:
        raise InputError(f"{path.name} has no column {truth} to compare with; it has {', '.join(columns)}.")
    fields = ", ".join(f"{_joined(plan.fields.get(role, ()))} as {role}" for role in ROLES)
    extras = "".join(
        f", nullif(lower(trim({_quoted(column)}::varchar)), '') as x_{number}"
        for number, column in enumerate(plan.extra)
    )
    source = (
        f"coalesce(nullif(trim({_quoted(plan.source)}::varchar), ''), '{_SOURCE}')" if plan.source else f"'{_SOURCE}'"
    )
    connection.execute(
        f"""
        create table given_records as
        with taken as (
            select
                {_quoted(plan.record_id)}::varchar as source_record_id, {source} as source, {fields} {extras},
                {f"{_quoted(truth)}::varchar" if truth else "null::varchar"} as truth, "{_PLACE}" as place
            from given
        )
        select * replace (
            case when length(national_id) > 3 and length(replace(national_id, left(national_id, 1), '')) > 0
            then national_id end as national_id), '' as content_hash
        from (select * replace (nullif(regexp_replace(lower(national_id), '[^a-z0-9]', '', 'g'),
        '') as national_id) from taken)
        """
    )
    connection.execute("drop table given")
    _check_ids(connection, path, plan)


def _read(connection: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    """`given`: the rows of the file, each with its place. Returns the names of the file's own columns."""
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise InputError(f"{path.name} is neither .csv nor .parquet.")
    with path.open("rb") as stream:
        begin = stream.read(1 << 16)
    if not begin.removeprefix(codecs.BOM_UTF8).strip():
        raise InputError(f"{path.name} is empty; it needs a header and a row per record.")
    if suffix == ".csv" and b"\0" in begin:
        # UTF-16 without a byte order mark would pass for text in UTF-8.
        raise _not_text(path)
    reader = "read_csv(?, all_varchar = true, header = true)" if suffix == ".csv" else "read_parquet(?)"
    try:
        described = connection.execute(f"describe select * from {reader}", [str(path)]).fetchall()
        connection.execute(
            f'create table given as select *, row_number() over () as "{_PLACE}" from {reader}', [str(path)]
        )
    except duckdb.Error as error:
        if suffix == ".csv" and not _is_utf8(path):
            raise _not_text(path) from None
        line = next((part for part in str(error).splitlines() if part.startswith("CSV Error on Line")), "")
        raise InputError(f"{path.name} could not be read as {suffix[1:]}{f' ({line})' if line else ''}.") from None
    return [str(row[0]) for row in described]


def _not_text(path: Path) -> InputError:
    return InputError(f"{path.name} is not UTF-8 text; save it as CSV in UTF-8 and try again.")


def _is_utf8(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return all(iter(lambda: stream.read(1 << 20), ""))
    except UnicodeDecodeError:
        return False


def _joined(columns: tuple[str, ...]) -> str:
    """The columns of a role as one text, null when all are blank."""
    if not columns:
        return "null::varchar"
    parts = ", ".join(f"nullif(trim({_quoted(column)}::varchar), '')" for column in columns)
    return f"nullif(concat_ws(' ', {parts}), '')"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _check_ids(connection: duckdb.DuckDBPyConnection, path: Path, plan: Mapping) -> None:
    empty, repeated = connection.execute(
        """
        select
            (select count(*) from given_records where coalesce(trim(source_record_id), '') = ''),
            (select count(*) from (select source_record_id from given_records group by 1 having count(*) > 1))
        """
    ).fetchall()[0]
    if empty:
        without = counted(empty, "row has", "rows have")
        raise InputError(f"{path.name}: {without} no {plan.record_id}; every record needs one.")
    if repeated:
        verb = "occurs" if repeated == 1 else "occur"
        raise InputError(
            f"{path.name}: {counted(repeated, 'value')} of {plan.record_id} {verb} more than once; make them unique."
        )


def _check_output(out: Path) -> None:
    if out.suffix.lower() not in (".csv", ".parquet"):
        raise InputError(f"The output {out.name} must end in .csv or .parquet.")
    if not out.parent.is_dir():
        raise InputError(f"There is no folder {out.parent} to write to.")


def _model_facts(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    model = model_store.active(connection)
    if model is None:
        return {}
    return {"version": model.version, "kind": model.kind, "refused_rules": model.refused}


def _evaluate(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    from identity import evaluation

    columns = "source || ':' || source_record_id as record_key, source"
    predicted = connection.execute(f"select {columns}, profile_id from identity.identity_map").to_arrow_table()
    truth = connection.execute(f"select {columns}, truth as person_id from given_records").to_arrow_table()
    return evaluation.evaluate(predicted, truth).to_json()
