"""How good the resolution is: against a truth, and without one.

Everything is counted from the contingency of profiles and persons; no pair is ever enumerated, so a million records
cost seconds. Only records that both sides know are scored: a truth row whose record is not in the input is `absent`, a
record without truth is `unlabelled`. Samples and messages hold record keys, never values.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from cdp.errors import InputError, NotFoundError

_SAMPLES = 25


@dataclass(frozen=True)
class Scores:
    """Precision, recall and their harmonic mean; a share of nothing counts as 1."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Pairwise(Scores):
    """Over pairs of records: `found` pairs in one profile, `true` pairs of one person, `correct` both."""

    found: int
    true: int
    correct: int


@dataclass(frozen=True)
class SourcePair(Pairwise):
    """The pairs between two sources, or within one."""

    source_a: str
    source_b: str


@dataclass(frozen=True)
class Evaluation:
    """What a truth says about a resolution.

    `exact_clusters` persons (of `persons`) have exactly one profile and share it with nobody. `error_samples` holds
    pairs of record keys: `joined` two persons in one profile, `missed` one person in two, the largest errors first.
    """

    pairwise: Pairwise
    b_cubed: Scores
    exact_clusters: int
    persons: int
    profiles: int
    max_cluster_size: int
    scored: int
    absent: int
    unlabelled: int
    by_source_pair: list[SourcePair] = field(default_factory=list)
    error_samples: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As `identity evaluate --json` prints it."""
        return asdict(self)


def evaluate(predicted: pa.Table, truth: pa.Table) -> Evaluation:
    """Compare profiles with persons.

    `predicted`: (record_key | source, source_record_id), profile_id. `truth`: (record_key | source, source_record_id),
    person_id. One row per record on each side; a second row must say the same, else InputError.
    """
    with duckdb.connect() as connection:
        connection.register("given_predicted", predicted)
        connection.register("given_truth", truth)
        _read(connection, "given_predicted", predicted.column_names, "predicted", "profile_id")
        _read(connection, "given_truth", truth.column_names, "truth", "person_id")
        connection.execute(
            """
            create temp table scored as
            select record_key, p.source, p.profile_id, t.person_id
            from predicted as p join truth as t using (record_key);
            create temp table cells as
            select profile_id, person_id, count(*) as n, min(record_key) as record_key from scored group by all
            """
        )
        return _measured(connection)


def evaluate_warehouse(connection: duckdb.DuckDBPyConnection, truth_csv: Path) -> Evaluation:
    """Compare `identity.identity_map` with a CSV of source, source_record_id, person_id.

    InputError when the file is missing, unreadable or lacks a column; NotFoundError before the first run.
    """
    truth = read_truth(truth_csv)
    _require(connection, "identity_map")
    predicted = connection.execute(
        "select source, source_record_id, profile_id from identity.identity_map where source <> 'marketing'"
    ).to_arrow_table()
    return evaluate(predicted, truth)


def read_truth(path: Path) -> pa.Table:
    """The truth file as text columns source, source_record_id, person_id; InputError when it cannot be that."""
    if not path.is_file():
        raise InputError(f"There is no truth file {path}.")
    needed = ("source", "source_record_id", "person_id")
    with duckdb.connect() as connection:
        try:
            relation = connection.read_csv(str(path), header=True, all_varchar=True)
            columns = relation.columns
            if all(name in columns for name in needed):
                return relation.select(*needed).to_arrow_table()
        except duckdb.Error:
            raise InputError(f"The truth file {path} cannot be read as CSV in UTF-8.") from None
    raise InputError(f"The truth file {path} must have the columns {', '.join(needed)}; it has {', '.join(columns)}.")


def quality_without_truth(connection: duckdb.DuckDBPyConnection, limits: Path | None = None) -> dict[str, Any]:
    """Signs of over- and under-merging that need no labels, as JSON, with the limits that publishing is held to.

    Sizes of profiles, distinct given names and birth dates in a profile, refused merges and those nobody has decided,
    the share of provisional links, what the last run changed, and `limits`: each measure, its limit and whether it
    holds. NotFoundError before the first run.
    """
    _require(connection, "identity_map")
    from identity.quality import figures, measures
    from identity.quality_limits import judge, read_limits

    told = measures(connection)
    verdicts = judge(figures(connection, told), read_limits(limits))
    return {**told, "limits": [asdict(verdict) for verdict in verdicts]}


def _require(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    found = connection.execute(
        "select count(*) from duckdb_tables() where schema_name = 'identity' and table_name = ?", [table]
    ).fetchall()
    if not found[0][0]:
        raise NotFoundError("There are no profiles yet: run `cdp run --from DIR` first.")


def _read(connection: duckdb.DuckDBPyConnection, given: str, columns: list[str], table: str, label: str) -> None:
    """`table` (record_key, source, label): one row per record that has a label."""
    if label not in columns or not ({"record_key"} <= set(columns) or {"source", "source_record_id"} <= set(columns)):
        raise InputError(f"The {table} table needs {label} and either record_key or source and source_record_id.")
    if "record_key" in columns:
        key, source = "record_key::VARCHAR", "source" if "source" in columns else "split_part(record_key, ':', 1)"
    else:
        key, source = "source || ':' || source_record_id", "source"
    connection.execute(
        f"""
        create temp table {table} as
        select record_key, any_value(source) as source, min({label}) as {label}, max({label}) as other
        from (select {key} as record_key, {source}::VARCHAR as source, {label}::VARCHAR as {label} from {given})
        where record_key is not null and nullif({label}, '') is not null
        group by record_key
        """
    )
    twice = connection.execute(f"select count(*) from {table} where {label} <> other").fetchall()[0][0]
    if twice:
        raise InputError(f"{twice} records have two different values of {label} in the {table} table.")


def _measured(connection: duckdb.DuckDBPyConnection) -> Evaluation:
    scored, absent, unlabelled, largest = connection.execute(
        """
        select
            (select count(*) from scored),
            (select count(*) from truth anti join predicted using (record_key)),
            (select count(*) from predicted anti join truth using (record_key)),
            (select coalesce(max(n), 0) from (select count(*) as n from predicted group by profile_id))
        """
    ).fetchall()[0]
    correct, found, true, precision, recall = connection.execute(
        """
        with profiles as (select profile_id, sum(n) as n from cells group by profile_id),
        persons as (select person_id, sum(n) as n from cells group by person_id)
        select
            coalesce(sum(c.n * (c.n - 1) // 2), 0),
            (select coalesce(sum(n * (n - 1) // 2), 0) from profiles),
            (select coalesce(sum(n * (n - 1) // 2), 0) from persons),
            sum(c.n * c.n / a.n) / sum(c.n), sum(c.n * c.n / b.n) / sum(c.n)
        from cells as c join profiles as a using (profile_id) join persons as b using (person_id)
        """
    ).fetchall()[0]
    exact, persons, profiles = connection.execute(
        """
        with marked as (
            select *, count(*) over (partition by profile_id) as people, count(*) over (partition by person_id) as parts
            from cells
        )
        select count(*) filter (people = 1 and parts = 1), count(distinct person_id), count(distinct profile_id)
        from marked
        """
    ).fetchall()[0]
    return Evaluation(
        pairwise=_pairwise(int(found), int(true), int(correct)),
        b_cubed=_scores(1.0 if precision is None else float(precision), 1.0 if recall is None else float(recall)),
        exact_clusters=int(exact),
        persons=int(persons),
        profiles=int(profiles),
        max_cluster_size=int(largest),
        scored=int(scored),
        absent=int(absent),
        unlabelled=int(unlabelled),
        by_source_pair=_by_source_pair(connection),
        error_samples={"joined": _samples(connection, "profile_id"), "missed": _samples(connection, "person_id")},
    )


def _by_source_pair(connection: duckdb.DuckDBPyConnection) -> list[SourcePair]:
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for name, columns in (("found", "profile_id"), ("true", "person_id"), ("correct", "profile_id, person_id")):
        for source_a, source_b, pairs in connection.execute(
            f"""
            with held as (select {columns}, source, count(*) as n from scored group by all)
            select a.source, b.source, sum(case when a.source = b.source then a.n * (a.n - 1) // 2 else a.n * b.n end)
            from held as a join held as b using ({columns})
            where a.source <= b.source group by a.source, b.source
            """
        ).fetchall():
            counts.setdefault((source_a, source_b), {})[name] = int(pairs)
    return [
        SourcePair(
            **asdict(_pairwise(pairs.get("found", 0), pairs.get("true", 0), pairs.get("correct", 0))),
            source_a=source_a,
            source_b=source_b,
        )
        for (source_a, source_b), pairs in sorted(counts.items())
        if any(pairs.values())
    ]


def _samples(connection: duckdb.DuckDBPyConnection, together: str) -> list[tuple[str, str]]:
    """Pairs of record keys of the two largest parts of a wrongly divided or joined group, most wrong pairs first."""
    return connection.execute(
        f"""
        with parts as (
            select {together}, n, record_key,
                row_number() over (partition by {together} order by n desc, record_key) as place,
                sum(n) over (partition by {together}) as whole
            from cells
        )
        select a.record_key, b.record_key
        from parts as a join parts as b using ({together})
        where a.place = 1 and b.place = 2
        order by a.n * b.n desc, a.record_key, b.record_key limit {_SAMPLES}
        """
    ).fetchall()


def _pairwise(found: int, true: int, correct: int) -> Pairwise:
    scores = _scores(correct / found if found else 1.0, correct / true if true else 1.0)
    return Pairwise(scores.precision, scores.recall, scores.f1, found, true, correct)


def _scores(precision: float, recall: float) -> Scores:
    total = precision + recall
    return Scores(precision, recall, 2 * precision * recall / total if total else 0.0)
