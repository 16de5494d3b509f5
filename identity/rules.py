"""Blocking rules: which keys make two records worth comparing, and how crowded a key may be.

A rule is a key; records with equal keys are compared (`blocking`). Keys held by too many records are skipped, rule by
rule, with a limit chosen from measured pair counts when the model is made and kept with it. A rule that would explode
even so is refused with its count. A change of a key counts as one of the features (`features.FEATURES_VERSION`).
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


def in_force(limits: Limits) -> list[Rule]:
    """The rules that were not refused."""
    return [rule for rule in RULES if limits.per_rule.get(rule.name, 0) > 0]
