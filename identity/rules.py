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


def refresh_crowded(connection: duckdb.DuckDBPyConnection, limits: Limits) -> None:
    """Keep `identity.state_crowded` (rule, key): keys held by more records than the rule's limit.

    Looks only at keys of `wf_delta`; records of a key that became or ceased to be crowded are added to `wf_touched`.
    """
    for rule in RULES:
        limit = limits.per_rule.get(rule.name, 0)
        if limit == 0:
            continue
        connection.execute(
            f"""
            create or replace temp table wf_keys as
            with candidates as (
                select distinct {rule.key} as key from {people("wf_delta")} where {rule.key} is not null
            )
            select
                {rule.key} as key, count(*) > {limit} as is_crowded,
                key in (select key from identity.state_crowded where rule = '{rule.name}') as was_crowded
            from {people("identity.state_features")}
            where {rule.key} in (select key from candidates)
            group by {rule.key}
            """
        )
        connection.execute(
            f"delete from identity.state_crowded where rule = '{rule.name}' and key in (select key from wf_keys)"
        )
        connection.execute(
            f"insert into identity.state_crowded select '{rule.name}', key from wf_keys where is_crowded"
        )
        connection.execute(
            f"""
            insert into wf_touched
            select record_key from {people("identity.state_features")}
            where {rule.key} in (select key from wf_keys where is_crowded <> was_crowded)
              and record_key not in (select record_key from wf_touched)
            """
        )
    connection.execute("drop table if exists wf_keys")


def block(connection: duckdb.DuckDBPyConnection, limits: Limits, config: MatchConfig) -> int:
    """Make `wf_pairs` (rule, record_a < record_b): pairs with at least one touched record; returns their number."""
    connection.execute("create or replace temp table wf_blocked (rule INTEGER, record_a VARCHAR, record_b VARCHAR)")
    unique = ", ".join(f"'{source}'" for source in config.unique_sources) or "''"
    for number, rule in enumerate(RULES):
        if limits.per_rule.get(rule.name, 0) == 0:
            continue
        connection.execute(
            f"""
            create or replace temp table wf_keys as
            with keyed as (
                select record_key, source, {rule.key} as key
                from {people("identity.state_features")} where {rule.key} is not null
            ),
            wanted as (
                select distinct key from keyed where record_key in (select record_key from wf_touched)
                except select key from identity.state_crowded where rule = '{rule.name}'
            )
            select k.*, record_key in (select record_key from wf_touched) as touched
            from keyed as k semi join wanted using (key)
            """
        )
        connection.execute(
            f"""
            insert into wf_blocked
            select {number}, least(l.record_key, r.record_key), greatest(l.record_key, r.record_key)
            from wf_keys as l join wf_keys as r using (key)
            where l.touched and l.record_key <> r.record_key and (not r.touched or l.record_key < r.record_key)
              and not (l.source = r.source and l.source in ({unique}))
            """
        )
    connection.execute(
        "create or replace temp table wf_pairs as "
        "select min(rule) as rule, record_a, record_b from wf_blocked group by record_a, record_b"
    )
    connection.execute("drop table wf_blocked; drop table if exists wf_keys")
    return int(connection.execute("select count(*) from wf_pairs").fetchall()[0][0])
