"""Versions of the stage rules, and what each change did to people's histories.

After the models are built, `record` compares the rules they were built with to the last known ones. When they differ it
adds a version, and compares every person's history under the new rules with the one under the former rules, both up to
the former "now", so that time and new deliveries do not count as the rules' doing: a person is compared only when their
records and devices are the same as then and none of their events came later. The basis of the next comparison is
written in the same transaction.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import duckdb

from cdp.errors import NotFoundError
from journeys.rules.wording import KEYS, changes
from journeys.scope import naive

TABLES = """
create schema if not exists ops;
create schema if not exists marts;
create table if not exists marts.stage_rule_versions (
    version integer not null, stage_set varchar not null, digest varchar not null, run_id varchar not null,
    as_of timestamp not null, rules varchar not null, changes varchar not null, compared bigint, not_compared bigint,
    stage_differs bigint, history_differs bigint
);
create table if not exists marts.stage_rule_effects (
    version integer not null, former_stage varchar not null, present_stage varchar not null, profiles bigint not null
);
create table if not exists ops.stage_standing (
    profile_id varchar not null, stage varchar not null, history varchar not null, identity varchar not null,
    as_of timestamp not null, batch_seq bigint not null
);
"""

# Everybody's stage and history at a moment; the history does not say how the last episode went on.
STANDING = """
select
    profile_id,
    arg_max(stage, episode_number) as stage,
    md5(string_agg(episode_number || stage || epoch_us(entered_at), ',' order by episode_number)) as history
from marts.stage_episodes
where entered_at <= $as_of
group by profile_id
"""

# Which records and devices a person consists of.
IDENTITY = """
select profile_id, md5(string_agg(member, chr(31) order by member)) as identity
from (
    select profile_id, source || ':' || source_record_id as member from identity.identity_map
    union all
    select profile_id, anonymous_id || ':' || epoch_us(valid_from) || ':' || epoch_us(valid_to) from identity.device_map
) as members
group by profile_id
"""

COMPARED = f"""
create or replace temp table compared_standing as
with standing as ({STANDING}),
identities as ({IDENTITY}),
touched as (
    select distinct profile_id from intermediate.int_identified_events
    where profile_id is not null and batch_seq > (select max(batch_seq) from ops.stage_standing)
)
select
    former.stage as former_stage,
    present.stage as present_stage,
    former.history <> present.history as history_differs
from ops.stage_standing as former
inner join standing as present using (profile_id)
inner join identities using (profile_id)
where
    former.identity = identities.identity
    and former.profile_id not in (select profile_id from touched)
"""

BASIS = f"""
insert into ops.stage_standing
with standing as ({STANDING}),
identities as ({IDENTITY})
select profile_id, stage, history, identity, $as_of, (select coalesce(max(batch_seq), 0) from ops.batches)
from standing
inner join identities using (profile_id)
"""


Seeds = dict[str, list[dict[str, str | None]]]
Counts = tuple[int | None, int | None, int | None, int | None]


@dataclass(frozen=True)
class RuleChange:
    """What a new version did; counts are null for the first one, which has nothing to be compared with."""

    version: int
    stage_set: str
    as_of: datetime
    run_id: str
    changes: tuple[str, ...]
    compared: int | None = None
    not_compared: int | None = None
    stage_differs: int | None = None
    history_differs: int | None = None
    moves: tuple[dict[str, Any], ...] = field(default=())


def record(connection: duckdb.DuckDBPyConnection, *, stage_set: str, run_id: str, as_of: datetime) -> RuleChange | None:
    """Add a version when the rules are not the last known ones, and keep what the next comparison needs.

    Returns the new version, None when the rules are as they were. Runs in one transaction of the open warehouse.
    """
    connection.execute("begin")
    connection.execute(TABLES)
    rules = _rules(connection)
    digest = hashlib.sha256(json.dumps([stage_set, rules], sort_keys=True).encode()).hexdigest()
    last = connection.execute(
        "select version, digest, rules, stage_set from marts.stage_rule_versions order by version desc limit 1"
    ).fetchall()
    added = None
    if not last or last[0][1] != digest:
        added = _add(connection, last[0] if last else None, _Now(stage_set, rules, digest, run_id, as_of))
    connection.execute("delete from ops.stage_standing")
    connection.execute(BASIS, {"as_of": naive(as_of)})
    connection.execute("commit")
    return added


def versions(connection: duckdb.DuckDBPyConnection) -> list[RuleChange]:
    """All versions of the published snapshot, newest first. NotFoundError when it has none."""
    try:
        rows = connection.execute(
            "select version, stage_set, as_of, run_id, changes, compared, not_compared, stage_differs, history_differs "
            "from marts.stage_rule_versions order by version desc"
        ).fetchall()
    except duckdb.CatalogException:
        raise NotFoundError("The snapshot knows no versions of the stage rules yet: run `cdp run` again.") from None
    return [
        RuleChange(
            version=row[0], stage_set=row[1], as_of=row[2], run_id=row[3], changes=tuple(json.loads(row[4])),
            compared=row[5], not_compared=row[6], stage_differs=row[7], history_differs=row[8],
            moves=_moves(connection, row[0]),
        )
        for row in rows
    ]  # fmt: skip


@dataclass(frozen=True)
class _Now:
    """What a new version is made of."""

    stage_set: str
    rules: Seeds
    digest: str
    run_id: str
    as_of: datetime


def described(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """The stages that are served and all versions of their rules, newest first, in plain types."""
    known = versions(connection)
    names = ("stage", "label", "is_path", "hold_days", "lapse_after_days")
    stages = connection.execute(f"select {', '.join(names)} from marts.journey_stages order by position").fetchall()
    return {
        "stage_set": known[0].stage_set,
        "version": known[0].version,
        "stages": [dict(zip(names, stage, strict=True)) for stage in stages],
        "versions": [asdict(version) for version in known],
    }


def _add(connection: duckdb.DuckDBPyConnection, last: tuple[Any, ...] | None, now: _Now) -> RuleChange:
    version, said = 1, ["first version"]
    counts: Counts = (None, None, None, None)
    if last is not None:
        version = last[0] + 1
        said = changes(json.loads(last[2]), now.rules)
        if last[3] != now.stage_set:
            said.insert(0, f"stage set {last[3]} → {now.stage_set}")
        counts = _compare(connection, version, naive(now.as_of))
    connection.execute(
        "insert into marts.stage_rule_versions values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            version,
            now.stage_set,
            now.digest,
            now.run_id,
            naive(now.as_of),
            json.dumps(now.rules),
            json.dumps(said),
            *counts,
        ],
    )
    moves = _moves(connection, version)
    return RuleChange(version, now.stage_set, now.as_of, now.run_id, tuple(said), *counts, moves)


def _compare(connection: duckdb.DuckDBPyConnection, version: int, as_of: datetime) -> Counts:
    """Compared and not compared people, those who stand elsewhere, those with another history."""
    former = connection.execute("select max(as_of), count(*) from ops.stage_standing").fetchall()[0]
    if former[0] is None or former[0] > as_of:
        return 0, former[1], 0, 0
    connection.execute(COMPARED, {"as_of": former[0]})
    compared, stage_differs, history_differs = connection.execute(
        "select count(*), count(*) filter (former_stage <> present_stage), count(*) filter (history_differs) "
        "from compared_standing"
    ).fetchall()[0]
    connection.execute(
        "insert into marts.stage_rule_effects select ?, former_stage, present_stage, count(*) from compared_standing "
        "where former_stage <> present_stage group by former_stage, present_stage order by former_stage, present_stage",
        [version],
    )
    connection.execute("drop table compared_standing")
    return compared, former[1] - compared, stage_differs, history_differs


def _moves(connection: duckdb.DuckDBPyConnection, version: int) -> tuple[dict[str, Any], ...]:
    rows = connection.execute(
        "select former_stage, present_stage, profiles from marts.stage_rule_effects where version = ? "
        "order by profiles desc, former_stage, present_stage",
        [version],
    ).fetchall()
    return tuple({"former": former, "present": present, "profiles": count} for former, present, count in rows)


def _rules(connection: duckdb.DuckDBPyConnection) -> Seeds:
    """The seeds as the models were built with them, as text, in an order that does not depend on the file."""
    found = {}
    for seed, key in KEYS.items():
        result = connection.execute(f"select columns(*)::varchar from seeds.{seed} order by {', '.join(key)}")
        names = [column[0] for column in result.description or []]
        found[seed] = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    return found
