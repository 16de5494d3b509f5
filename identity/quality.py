"""Signs of over- and under-merging that need no labels, measured on the identity tables.

Healthy data: most profiles are small, hardly any holds two birth dates or more than three given names (Amperity's
benchmark puts the latter at 0.011 % of profiles), few links are provisional, and a run on little news changes little.
`measures` tells all of it; `figures` are the numbers among it that have limits (`quality_limits`), compared with those
of the last run that passed, which `identity.state_quality` keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

MEASURES = (
    "largest_profile",
    "share_in_large_profiles",
    "share_with_many_names",
    "share_with_two_births",
    "share_provisional",
    "refused_per_record",
    "review_backlog",
    "share_changed",
    "drift_records_per_profile",
)
_LARGE = 20


@dataclass(frozen=True)
class Figure:
    """The value of a measure, and how many profiles or records it is about."""

    value: float
    concerned: int


def figures(connection: duckdb.DuckDBPyConnection, told: Mapping[str, Any] | None = None) -> dict[str, Figure]:
    """The measures that have limits; `told` are `measures` where the caller has them already."""
    told = told or measures(connection)
    records, profiles = told["records"], told["profiles"]
    many, births = (told["within_profile"][name] for name in ("given_names", "birth_dates"))
    large = int(
        connection.execute(
            """
            select coalesce(sum(n), 0) from (
                select count(*) as n from identity.identity_map where source <> 'marketing' group by profile_id
            ) where n >= ?
            """,
            [_LARGE],
        ).fetchall()[0][0]
    )
    differing = births["2-3"] + births["4+"]
    changed = sum(count for kind, count in told["last_run"]["events"].items() if kind not in ("created", "retired"))
    links, refused = told["links"], told["refused_merges"]
    return {
        "largest_profile": Figure(float(told["max_cluster_size"]), told["max_cluster_size"]),
        "share_in_large_profiles": Figure(_share(large, records), large),
        "share_with_many_names": Figure(many["share_above_3"], many["4+"]),
        "share_with_two_births": Figure(_share(differing, births["1"] + differing), differing),
        "share_provisional": Figure(links["provisional_share"], links["provisional_records"]),
        "refused_per_record": Figure(_share(refused["total"], records), refused["total"]),
        "review_backlog": Figure(float(refused["review_backlog"]), refused["review_backlog"]),
        "share_changed": Figure(told["last_run"]["changed_share"], changed),
        "drift_records_per_profile": _drift(connection, records, profiles),
    }


def remember(connection: duckdb.DuckDBPyConnection, run_id: str, *, passed: bool) -> None:
    """Keep records and profiles of this run to compare the next one with; repeating a run replaces its row."""
    told = _sizes(connection)
    connection.execute("delete from identity.state_quality where run_id = ?", [run_id])
    connection.execute(
        "insert into identity.state_quality select coalesce(max(seq), 0) + 1, ?, ?, ?, ? from identity.state_quality",
        [run_id, told["records"], told["profiles"], passed],
    )


def _drift(connection: duckdb.DuckDBPyConnection, records: int, profiles: int) -> Figure:
    # A home that an older version made has no memory yet, and its reader may not make one.
    kept = connection.execute("select 1 from duckdb_tables() where table_name = 'state_quality'").fetchall()
    last = "select records, profiles from identity.state_quality where passed and profiles > 0 order by seq desc"
    known = connection.execute(last).fetchmany(1) if kept else []
    if not known or not profiles:
        return Figure(0.0, 0)
    before_records, before_profiles = known[0]
    moved = abs((records / profiles) / (before_records / before_profiles) - 1)
    # As many profiles as the drift made or unmade.
    return Figure(moved, round(moved * profiles))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def measures(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """All measures as JSON; counts of records and profiles, shares between 0 and 1."""
    return {
        **_sizes(connection),
        "within_profile": _within_profile(connection),
        "links": _links(connection),
        "refused_merges": _refused(connection),
        "last_run": _last_run(connection),
    }


def _sizes(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Records and profiles, and how many profiles have one, two, … records; marketing addresses are no records."""
    rows = connection.execute(
        """
        with sizes as (
            select count(*) as n from identity.identity_map where source <> 'marketing' group by profile_id
        )
        select case when n < 10 then n when n < 20 then 10 when n < 50 then 20 else 50 end as size,
            count(*), sum(n), max(n)
        from sizes group by size order by size
        """
    ).fetchall()
    names = {10: "10-19", 20: "20-49", 50: "50+"}
    return {
        "records": int(sum(row[2] for row in rows)),
        "profiles": int(sum(row[1] for row in rows)),
        "max_cluster_size": int(max((row[3] for row in rows), default=0)),
        "cluster_sizes": {names.get(size, str(size)): int(profiles) for size, profiles, *_ in rows},
    }


def _within_profile(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Distinct given names (nicknames under one root) and birth dates (whole, no placeholders) per profile."""
    result: dict[str, Any] = {}
    for name, column in (
        ("given_names", "case when length(f.given) > 1 then f.given_root end"),
        ("birth_dates", "case when f.birth_precision = 'day' then f.birth end"),
    ):
        one, two, more, known = connection.execute(
            f"""
            with counted as (
                select count(distinct {column}) as n
                from identity.identity_map as m
                join identity.state_features as f using (source, source_record_id)
                group by m.profile_id
            )
            select count(*) filter (n = 1), count(*) filter (n in (2, 3)), count(*) filter (n > 3),
                count(*) filter (n > 0)
            from counted
            """
        ).fetchall()[0]
        result[name] = {"1": one, "2-3": two, "4+": more, "share_above_3": more / known if known else 0.0}
    return result


def _links(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Records that share a profile with another, and the share of them that only a name holds there."""
    linked, provisional = connection.execute(
        """
        with held as (
            select provisional, count(*) over (partition by profile_id) as n
            from identity.identity_map where source <> 'marketing'
        )
        select count(*) filter (n > 1), count(*) filter (provisional) from held
        """
    ).fetchall()[0]
    return {
        "linked_records": linked,
        "provisional_records": provisional,
        "provisional_share": provisional / linked if linked else 0.0,
    }


def _refused(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Merges that a rule forbade, by reason, and how many of them nobody has decided on yet."""
    by_reason = dict(
        connection.execute(
            "select reason, count(*) from identity.refusals group by reason order by count(*) desc, reason"
        ).fetchall()
    )
    backlog = connection.execute(
        """
        select count(*) from identity.refusals as r
        where not exists (
            select 1 from identity.decisions as d
            where least(d.record_a, d.record_b) = least(r.record_a, r.record_b)
              and greatest(d.record_a, d.record_b) = greatest(r.record_a, r.record_b)
        )
        """
    ).fetchall()[0][0]
    return {"total": sum(by_reason.values()), "by_reason": by_reason, "review_backlog": backlog}


def _last_run(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Identity events of the last run that had any, and the share of living profiles that it merged, split or moved."""
    rows = connection.execute(
        """
        select run_id, kind, count(*) from identity.identity_events
        where run_id = (select arg_max(run_id, seq) from identity.identity_events)
        group by run_id, kind order by kind
        """
    ).fetchall()
    living = connection.execute("select count(*) from identity.profiles where status = 'living'").fetchall()[0][0]
    events = {kind: int(count) for _, kind, count in rows}
    changed = sum(count for kind, count in events.items() if kind not in ("created", "retired"))
    return {
        "run_id": rows[0][0] if rows else None,
        "events": events,
        "changed_share": changed / living if living else 0.0,
    }
