"""Blocking: which pairs of records are worth comparing.

A rule is a key; records with equal keys are compared. Keys held by too many records are skipped, rule by rule, with a
limit chosen from measured pair counts when the model is made and kept with it. A rule that would explode even so is
refused with its count. Pairs of one source that keeps a person once are never made, except to train on.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from identity.config import MatchConfig
from identity.features import people

_LIMITS = (200, 100, 50, 25, 12)


@dataclass(frozen=True)
class Rule:
    """A key in SQL over `features.people`, and the comparisons whose agreement it presupposes."""

    name: str
    key: str
    presupposes: tuple[str, ...]
    # Whether a model may learn from the pairs of this rule.
    trains: bool = True


RULES = (
    Rule("national_id", "national_id", ("national_id",)),
    Rule("email", "email", ("email",)),
    Rule("mail_name", "case when length(email_user) >= 6 then email_user end", ("email",), trains=False),
    Rule("phone", "phone", ("phone",)),
    Rule(
        "name",
        "case when length(given) > 1 then least(given_root, family) || '|' || greatest(given_root, family) end",
        ("given", "family"),
    ),
    Rule("birth_given", "birth || '|' || left(given, 1)", ("birth", "given")),
    Rule("birth_family", "birth || '|' || left(family, 2)", ("birth", "family")),
    Rule("family_postcode", "family || '|' || postcode", ("family", "address")),
    Rule("given_postcode", "given_root || '|' || postcode", ("given", "address"), trains=False),
    Rule("home", "home", ("address",)),
    Rule("initial_address", "left(given, 1) || '|' || address", ("given", "address"), trains=False),
    Rule(
        "given_family_start",
        "case when length(given) > 1 then given_root || '|' || left(family, 3) end",
        ("given", "family"),
        trains=False,
    ),
    Rule("initial_family", "left(given, 1) || '|' || family", ("given", "family"), trains=False),
)


@dataclass(frozen=True)
class Limits:
    """Per rule the most records one key may hold; 0 means the rule was refused, and why is told in `refused`."""

    per_rule: dict[str, int]
    refused: dict[str, str]


def choose_limits(connection: duckdb.DuckDBPyConnection, config: MatchConfig) -> Limits:
    """The largest limit per rule that keeps its pairs within the budget, measured on all stored records."""
    records = int(connection.execute("select count(*) from identity.state_features").fetchall()[0][0])
    budget = max(int(config.pairs_per_record * records), 20_000)
    per_rule, refused = {}, {}
    for rule in RULES:
        measured = ", ".join(f"coalesce(sum(n * (n - 1) // 2) filter (n <= {limit}), 0)" for limit in _LIMITS)
        counts = connection.execute(
            f"""
            with sizes as (
                select count(*) as n from {people("identity.state_features")}
                where {rule.key} is not null group by {rule.key}
            )
            select {measured} from sizes
            """
        ).fetchall()[0]
        fitting = [limit for limit, pairs in zip(_LIMITS, counts, strict=True) if pairs <= budget]
        per_rule[rule.name] = fitting[0] if fitting else 0
        if not fitting:
            refused[rule.name] = (
                f"{int(counts[-1]):,} pairs for {records:,} records, more than the budget of {budget:,}"
            )
    return Limits(per_rule, refused)


def number_keys(connection: duckdb.DuckDBPyConnection, limits: Limits, *, only_near: bool = False) -> None:
    """Make `wf_keyed`: number (in no order), record_key, source, and per rule the hash of its key.

    Pairs are made of numbers and hashes: comparing them costs a fraction of comparing texts. With `only_near` it holds
    just the records that share a key with a record of `wf_touched` or `wf_delta`, and `wf_near` those keys.
    """
    keys = _keys(limits)
    near = ""
    if only_near:
        connection.execute(
            f"""
            create or replace temp table wf_near as
            with nearby as (
                select {keys} from {people("wf_delta")}
                union all
                select {keys} from {people("identity.state_features")} semi join wf_touched using (record_key)
            )
            select distinct * from (unpivot nearby on columns(*) into name rule value key)
            """
        )
        near = " or ".join(
            f"k_{rule.name} in (select key from wf_near where rule = 'k_{rule.name}')" for rule in _in_force(limits)
        )
    connection.execute(
        f"""
        create or replace temp table wf_keyed as
        with keyed as (select record_key, source, {keys} from {people("identity.state_features")})
        select (row_number() over () - 1)::integer as number, * from keyed {f"where {near}" if near else ""}
        """
    )


def refresh_crowded(connection: duckdb.DuckDBPyConnection, limits: Limits, *, only_near: bool = False) -> None:
    """Keep `identity.state_crowded` (rule, key): keys in `wf_keyed` held by more records than the rule's limit.

    Records of a key that became or ceased to be crowded are added to `wf_touched`. With `only_near` just the keys of
    `wf_near` are judged; of those, `wf_keyed` holds every record.
    """
    for rule in _in_force(limits):
        judged = f"in (select key from wf_near where rule = 'k_{rule.name}')" if only_near else "is not null"
        connection.execute(
            f"""
            create or replace temp table wf_crowded as
            select k_{rule.name} as key from wf_keyed where k_{rule.name} {judged}
            group by key having count(*) > {limits.per_rule[rule.name]}
            """
        )
        connection.execute(
            f"""
            insert into wf_touched
            with known as (select key from identity.state_crowded where rule = '{rule.name}' and key {judged}),
            changed as ((from wf_crowded except from known) union all (from known except from wf_crowded))
            select record_key from wf_keyed
            where k_{rule.name} in (from changed) and record_key not in (select record_key from wf_touched)
            """
        )
        connection.execute(f"delete from identity.state_crowded where rule = '{rule.name}' and key {judged}")
        connection.execute("insert into identity.state_crowded select ?, key from wf_crowded", [rule.name])
    connection.execute("drop table if exists wf_crowded")


def _keys(limits: Limits) -> str:
    """The keys of all rules in force as columns; a table whose rules were all refused has one without values."""
    return (
        ", ".join(
            f"case when {rule.key} is not null then hash({rule.key}) end as k_{rule.name}" for rule in _in_force(limits)
        )
        or "null::ubigint as k_none"
    )


def block(connection: duckdb.DuckDBPyConnection, limits: Limits, config: MatchConfig) -> int:
    """Make `wf_pairs` (a < b, numbers of `wf_keyed`): pairs with a touched record; returns their number."""
    connection.execute("create or replace temp table wf_blocked (a INTEGER, b INTEGER)")
    connection.execute(
        "create or replace temp table wf_wanted as select number from wf_keyed semi join wf_touched using (record_key)"
    )
    wanted, records = connection.execute(
        "select (select count(*) from wf_wanted), (select count(*) from wf_keyed)"
    ).fetchall()[0]
    unique = ", ".join(f"'{source}'" for source in config.unique_sources) or "''"
    for rule in _in_force(limits):
        key = f"k_{rule.name}"
        free = f"{key} not in (select key from identity.state_crowded where rule = '{rule.name}')"
        held = f"{key} is not null and {free}"
        if wanted < records:
            held += f" and {key} in (select {key} from wf_keyed semi join wf_wanted using (number))"
        one_side = "" if wanted == records else "and (l.number in (from wf_wanted) or r.number in (from wf_wanted))"
        connection.execute(
            f"""
            insert into wf_blocked
            with held as (select number, source, {key} as key from wf_keyed where {held})
            select l.number, r.number from held as l join held as r using (key)
            where l.number < r.number {one_side} and not (l.source = r.source and l.source in ({unique}))
            """
        )
    connection.execute("create or replace temp table wf_pairs as select distinct a, b from wf_blocked")
    connection.execute("drop table wf_blocked; drop table wf_wanted")
    return int(connection.execute("select count(*) from wf_pairs").fetchall()[0][0])


def _in_force(limits: Limits) -> list[Rule]:
    return [rule for rule in RULES if limits.per_rule.get(rule.name, 0) > 0]
