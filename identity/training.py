"""Learn a model from the data itself, without labels.

1. `u`: the levels of random pairs, the pairs of one person or home among them taken out.
2. `m` and `h` by expectation maximisation over the pairs of several blocking rules at once. Every pair is one person,
   two housemates or two strangers; in the pairs of a rule the fields that the rule presupposes do not count. Pairs of
   one source that keeps a person once are known to be two people, which is what tells housemates from persons.
3. The two priors, from the whole of the blocked pairs.

All sampling is by hash of keys, so equal data give an equal model, whatever their order. Pairs that people decided
about count with certainty.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import duckdb

from identity import blocking
from identity.comparisons import Comparison
from identity.config import MatchConfig
from identity.labels import mark_sample
from identity.matching import Pairs, scored
from identity.model import Model, Shares, ordered, prior_model, prior_shares
from identity.rules import RULES, Limits

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

RANDOM_PAIRS = 250_000
PAIRS_PER_RULE = 150_000
# A belief weighs as much as this many observed pairs.
BELIEF = 20.0
# Even where the data show none, some people have two phones and some names are misspelt.
LEAST_SHARE = 0.002
LEAST_DIFFERENT = 0.01
# How far training may move what tells housemates apart: the agreement shares of personal fields, as a factor.
PERSONAL_BAND = 3.0


@dataclass
class Patterns:
    """Levels of pairs, counted: `levels` has one row per pattern and one column per comparison, -1 for not stated."""

    levels: Array
    forbidden: Array  # known to be two people
    certain: Array  # known to be one person
    count: Array


def train(connection: duckdb.DuckDBPyConnection, config: MatchConfig, limits: Limits) -> Model:
    """A trained model of the records in `identity.state_features`; their frequencies must be stored by the caller."""
    records = int(connection.execute("select count(*) from identity.state_features").fetchall()[0][0])
    model = prior_model(records, config.extra, limits.per_rule, limits.refused)
    _sample(connection, config, limits)
    # Frequencies do not matter for levels, so the untrained model scores without any.
    random, by_rule, everything = _patterns(connection, model)
    for _ in range(2):
        # u needs the priors to take true pairs out of the random ones, the priors need u: twice is enough.
        model = replace(model, shares=_learn_u(model, random))
        model = _expectation_maximisation(model, by_rule)
        model = _priors(model, everything, records)
    connection.execute("drop table wf_training")
    return replace(model, kind="trained")


def _sample(connection: duckdb.DuckDBPyConnection, config: MatchConfig, limits: Limits) -> None:
    """`wf_training`: rule (-1 random), a, b (numbers of `wf_keyed`), forbidden, certain, share of the rule's keys."""
    unique = ", ".join(f"'{source}'" for source in config.unique_sources) or "''"
    connection.execute(
        "create or replace temp table wf_training "
        "(rule INTEGER, a INTEGER, b INTEGER, forbidden BOOLEAN, certain BOOLEAN, share DOUBLE)"
    )
    blocking.refresh_keys(connection)
    blocking.number_keys(connection, limits, only_near=False)
    for place, rule in enumerate(RULES):
        limit = limits.per_rule.get(rule.name, 0)
        if limit == 0:
            continue
        connection.execute(
            f"""
            create or replace temp table wf_keys as
            select number, source, k_{rule.name} as key from wf_keyed where k_{rule.name} is not null
            qualify count(*) over (partition by k_{rule.name}) between 2 and {limit}
            """
        )
        pairs = connection.execute("select sum(n * (n - 1) // 2) from (select count(*) as n from wf_keys group by key)")
        share = min(1.0, PAIRS_PER_RULE / max(int(pairs.fetchall()[0][0] or 0), 1))
        connection.execute(
            f"""
            insert into wf_training
            select
                {place}, l.number, r.number, coalesce(l.source = r.source and l.source in ({unique}), false), false,
                {share!r}
            from wf_keys as l join wf_keys as r using (key)
            where l.number < r.number and hash(key, {config.seed}) % 1000000 < {share * 1_000_000!r}
            """
        )
    connection.execute("drop table if exists wf_keys")
    mark_sample(connection, limits)
    _sample_random(connection, config)


def _sample_random(connection: duckdb.DuckDBPyConnection, config: MatchConfig) -> None:
    """Random pairs: every record of a shuffled round with the few that follow it."""
    connection.execute(
        f"""
        create or replace temp table wf_shuffled as
        select number, row_number() over (order by hash(record_key || '{config.seed}'), record_key) - 1 as place
        from wf_keyed order by place limit {RANDOM_PAIRS}
        """
    )
    records = int(connection.execute("select count(*) from wf_shuffled").fetchall()[0][0])
    steps = max(1, min(records - 1, RANDOM_PAIRS // max(records, 1)))
    connection.execute(
        f"""
        insert into wf_training
        with followed as (
            select number, (place + step) % {max(records, 1)} as place
            from wf_shuffled cross join (select unnest(range(1, {steps + 1})) as step)
        )
        select -1, f.number, s.number, false, false, 1
        from followed as f join wf_shuffled as s using (place)
        where f.number <> s.number
        """
    )
    connection.execute("drop table wf_shuffled")


def _patterns(connection: duckdb.DuckDBPyConnection, model: Model) -> tuple[Patterns, dict[int, Patterns], Patterns]:
    """Counted patterns of the random pairs, of each training rule, and of all blocked pairs together.

    Under "all", a pair counts by one over the chance that any rule's sample holds it.
    """
    connection.execute(
        "create or replace temp table wf_distinct as "
        "select distinct least(a, b) as a, greatest(a, b) as b from wf_training"
    )
    names = list(model.shares)
    numbers = {name: [float(level) for level in range(len(model.shares[name].m))] for name in names}
    decode = ", ".join(f"{model.level_sql(name, numbers[name], missing=-1.0)}::integer as l_{name}" for name in names)
    columns = ", ".join(f"l_{name}" for name in names)
    with scored(connection, Pairs("wf_distinct", "wf_keyed"), model) as (scratched, table):
        sample = connection.execute("select * from wf_training").to_arrow_table()
        scratched.register("sample", sample)
        scratched.execute(f"create table leveled as select unique_id_l as a, unique_id_r as b, {decode} from {table}")
        joined = (
            f"select s.*, {columns} from sample as s join leveled as l "
            "on l.a = least(s.a, s.b) and l.b = greatest(s.a, s.b)"
        )
        scratched.execute(f"create table patterns as {joined}")

        def counted(where: str) -> Patterns:
            return _fetch(
                scratched,
                f"select {columns}, forbidden, certain, count(*)::double from patterns where {where} group by all",
                names,
            )

        random = counted("rule = -1")
        by_rule = {number: counted(f"rule = {number}") for number, rule in enumerate(RULES) if rule.trains}
        everything = _fetch(
            scratched,
            f"""
            select {columns}, forbidden, certain, sum(round(1 / chance, 6)::decimal(20, 6))::double from (
                select
                    a, b, {columns}, any_value(forbidden) as forbidden, any_value(certain) as certain,
                    1 - product(1 - share) as chance
                from patterns where rule >= 0 group by a, b, {columns}
            ) group by all
            """,
            names,
        )
    connection.execute("drop table wf_distinct")
    return random, by_rule, everything


def _fetch(scratched: duckdb.DuckDBPyConnection, sql: str, names: list[str]) -> Patterns:
    import numpy as np

    columns = list(scratched.execute(f"select * from ({sql}) order by all").fetchnumpy().values())
    levels = np.column_stack([np.asarray(column, dtype=np.int64) for column in columns[: len(names)]])
    forbidden, certain = (np.asarray(column, dtype=bool) for column in columns[-3:-1])
    return Patterns(levels, forbidden, certain, np.asarray(columns[-1], dtype=float))


def _learn_u(model: Model, random: Patterns) -> dict[str, Shares]:
    """Measure the learned levels on random pairs, taking out the pairs of one person and of one home."""
    import numpy as np

    learned = {}
    for place, comparison in enumerate(model.comparisons()):
        shares = model.shares[comparison.name]
        stated = random.levels[:, place] >= 0
        counts = np.bincount(
            random.levels[stated, place], weights=random.count[stated], minlength=len(comparison.levels)
        )
        prior = np.array(prior_shares(comparison, model.records).u)
        observed = (counts + BELIEF * prior) / (counts.sum() + BELIEF)
        cleaned = observed - model.prior_same * np.array(shares.m) - model.prior_home * np.array(shares.h)
        u = np.where(
            [level.u_is == "learned" for level in comparison.levels], np.maximum(cleaned, observed / 10), prior
        )
        u[-1] = max(1.0 - u[:-1].sum(), 0.01)
        learned[comparison.name] = replace(shares, u=tuple(float(value) for value in u / u.sum()))
    return learned


def _expectation_maximisation(model: Model, by_rule: dict[int, Patterns], rounds: int = 200) -> Model:
    """m and h of every comparison, and the mixture of each rule's pairs, until nothing moves by more than 1e-4."""
    import numpy as np

    listed = model.comparisons()
    prior = {c.name: prior_shares(c, model.records) for c in listed}
    m = {c.name: np.array(prior[c.name].m) for c in listed}
    h = {c.name: np.array(prior[c.name].h) for c in listed}
    u = {c.name: np.array(model.shares[c.name].u) for c in listed}
    mixture = {number: np.array([0.5, 0.25, 0.25]) for number in by_rule}
    for _ in range(rounds):
        seen = {c.name: (np.zeros(len(c.levels)), np.zeros(len(c.levels))) for c in listed}
        for number, patterns in by_rule.items():
            counted = [c for c in listed if c.name not in RULES[number].presupposes]
            shares = _responsibilities(patterns, listed, counted, mixture[number], (m, h, u))
            weighed = shares * patterns.count[:, None]
            mixture[number] = (weighed.sum(axis=0) + 1) / (weighed.sum() + 3)
            for place, comparison in enumerate(listed):
                if comparison not in counted:
                    continue
                levels = patterns.levels[:, place]
                stated = levels >= 0
                for kind in (0, 1):
                    np.add.at(seen[comparison.name][kind], levels[stated], weighed[stated, kind])
        moved = 0.0
        for comparison in listed:
            name = comparison.name
            new_m = _bounded_m(seen[name][0], np.array(prior[name].m))
            new_h = _bounded_h(seen[name][1], np.array(prior[name].h), comparison)
            moved = max(moved, float(np.abs(new_m - m[name]).max()), float(np.abs(new_h - h[name]).max()))
            m[name], h[name] = new_m, new_h
        if moved < 1e-4:
            break
    found = {
        c.name: Shares(tuple(map(float, m[c.name])), model.shares[c.name].u, tuple(map(float, h[c.name])))
        for c in listed
    }
    return replace(model, shares={c.name: ordered(c, found[c.name]) for c in listed})


def _responsibilities(
    patterns: Patterns,
    listed: tuple[Comparison, ...],
    counted: list[Comparison],
    mixture: Array,
    shares: tuple[dict[str, Array], dict[str, Array], dict[str, Array]],
) -> Array:
    """Per pattern the probabilities of one person, housemates, strangers; 0 where people or sources rule it out."""
    import numpy as np

    logs = np.tile(np.log(mixture), (len(patterns.count), 1))
    for place, comparison in enumerate(listed):
        if comparison not in counted:
            continue
        levels = patterns.levels[:, place]
        stated = levels >= 0
        for kind, values in enumerate(shares):
            logs[stated, kind] += np.log(values[comparison.name][levels[stated]])
    logs[patterns.forbidden, 0] = -np.inf
    logs[patterns.certain, 1:] = -np.inf
    logs -= logs.max(axis=1, keepdims=True)
    odds = np.exp(logs)
    shares_of: Array = odds / odds.sum(axis=1, keepdims=True)
    return shares_of


def _bounded_m(seen: Array, prior: Array) -> Array:
    import numpy as np

    shares = (seen + BELIEF * prior) / (seen.sum() + BELIEF)
    least = np.minimum(np.full(len(prior), LEAST_SHARE), prior)
    least[-1] = min(LEAST_DIFFERENT, prior[-1])
    shares = np.maximum(shares, least)
    bounded: Array = shares / shares.sum()
    return bounded


def _bounded_h(seen: Array, prior: Array, comparison: Comparison) -> Array:
    import numpy as np

    shares = (seen + BELIEF * prior) / (seen.sum() + BELIEF)
    if comparison.personal:
        agreeing = np.clip(shares[:-1], prior[:-1] / PERSONAL_BAND, prior[:-1] * PERSONAL_BAND)
        shares = np.append(agreeing, 1 - agreeing.sum())
    shares = np.maximum(shares, np.minimum(LEAST_SHARE / 10, prior))
    bounded: Array = shares / shares.sum()
    return bounded


def _priors(model: Model, everything: Patterns, records: int) -> Model:
    """Shares of all pairs that are one person and one home: a fixed point of the expected blocked pairs."""
    import numpy as np

    listed = model.comparisons()
    shares = tuple({c.name: np.array(getattr(model.shares[c.name], kind)) for c in listed} for kind in "mhu")
    pairs = max(records * (records - 1) / 2, 1)
    same, home = 1 / max(records, 2), 0.5 / max(records, 2)
    for _ in range(100):
        mixture = np.array([same, home, max(1 - same - home, 0.01)])
        found = _responsibilities(everything, listed, list(listed), mixture, (shares[0], shares[1], shares[2]))
        expected = (found * everything.count[:, None]).sum(axis=0) / pairs
        new_same, new_home = (float(np.clip(value, 0.02 / records, 0.2)) for value in expected[:2])
        settled = abs(new_same - same) < 1e-4 * same and abs(new_home - home) < 1e-4 * home
        same, home = new_same, new_home
        if settled:
            break
    return replace(model, prior_same=same, prior_home=home)
