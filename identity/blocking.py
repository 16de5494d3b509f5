"""Candidate pairs from the keys of the blocking rules.

`identity.state_keys` keeps the hash of every rule's key per record and follows what a run touches, so that a small
increment computes a few keys and looks the others up. Pairs are made of numbers and hashes: comparing them costs a
fraction of comparing texts. Pairs of one source that keeps a person once are never made, except to train on.
"""

from __future__ import annotations

import duckdb

from identity.config import MatchConfig
from identity.features import people
from identity.rules import RULES, Limits, in_force

_COLUMNS = ", ".join(f"k_{rule.name}" for rule in RULES)
_KEYS = ", ".join(f"case when {rule.key} is not null then hash({rule.key}) end as k_{rule.name}" for rule in RULES)
# Above this share of records it is cheaper to make all keys anew than to replace some.
_MANY = 0.2


def create_table(connection: duckdb.DuckDBPyConnection) -> None:
    """An empty `identity.state_keys` if there is none."""
    keys = ", ".join(f"k_{rule.name} UBIGINT" for rule in RULES)
    connection.execute(f"create table if not exists identity.state_keys (record_key VARCHAR, source VARCHAR, {keys})")


def refresh_keys(connection: duckdb.DuckDBPyConnection) -> bool:
    """Bring `identity.state_keys` in line with what is touched or gone.

    Returns whether that is little; then `wf_near` (rule, key) holds the keys that these records had or have.
    """
    concerned, records = connection.execute(
        "select (select count(*) from wf_touched) + (select count(*) from wf_gone), "
        "(select count(*) from identity.state_features)"
    ).fetchall()[0]
    if concerned >= _MANY * records:
        connection.execute(
            f"create or replace table identity.state_keys as "
            f"select record_key, source, {_KEYS} from {people('identity.state_features')}"
        )
        return False
    connection.execute(
        """
        create or replace temp table wf_moving as
        select record_key from wf_touched union select record_key from wf_gone
        """
    )
    near = "select rule, key from (unpivot (select {0} from {1}) on columns(*) into name rule value key)"
    former = near.format(_COLUMNS, "identity.state_keys semi join wf_moving using (record_key)")
    connection.execute(f"create or replace temp table wf_former as {former}")
    connection.execute("delete from identity.state_keys where record_key in (select record_key from wf_moving)")
    connection.execute(
        f"""
        create or replace temp table wf_moved as
        select record_key, source, {_KEYS}
        from {people("(select * from identity.state_features semi join wf_moving using (record_key))")}
        """
    )
    connection.execute("insert into identity.state_keys select * from wf_moved")
    connection.execute(
        f"create or replace temp table wf_near as select * from wf_former union {near.format(_COLUMNS, 'wf_moved')}"
    )
    connection.execute("drop table wf_moving; drop table wf_former; drop table wf_moved")
    return True


def number_keys(connection: duckdb.DuckDBPyConnection, limits: Limits, *, only_near: bool) -> None:
    """Make `wf_keyed`: number (in no order), record_key, source, and per rule the hash of its key.

    With `only_near` it holds just the records that have a key of `wf_near`.
    """
    near = " or ".join(
        f"k_{rule.name} in (select key from wf_near where rule = 'k_{rule.name}')" for rule in in_force(limits)
    )
    connection.execute(
        f"""
        create or replace temp table wf_keyed as
        select (row_number() over () - 1)::integer as number, * from identity.state_keys
        {f"where {near or 'false'}" if only_near else ""}
        """
    )


def refresh_crowded(connection: duckdb.DuckDBPyConnection, limits: Limits, *, only_near: bool) -> bool:
    """Keep `identity.state_crowded` (rule, key): keys in `wf_keyed` held by more records than the rule's limit.

    Records of a key that became or ceased to be crowded are added to `wf_touched`; returns whether there are any. With
    `only_near` just the keys of `wf_near` are judged; of those, `wf_keyed` holds every record.
    """
    changed = False
    for rule in in_force(limits):
        key = f"k_{rule.name}"
        judged = f"in (select key from wf_near where rule = '{key}')" if only_near else "is not null"
        connection.execute(
            f"""
            create or replace temp table wf_turned as
            with crowded as (
                select {key} as key from wf_keyed where {key} {judged}
                group by key having count(*) > {limits.per_rule[rule.name]}
            ),
            known as (select key from identity.state_crowded where rule = '{rule.name}' and key {judged})
            (select key, true as crowded from crowded anti join known using (key))
            union all
            (select key, false from known anti join crowded using (key))
            """
        )
        if not connection.execute("select 1 from wf_turned limit 1").fetchall():
            continue
        changed = True
        connection.execute(
            "delete from identity.state_crowded where rule = ? and key in (select key from wf_turned)", [rule.name]
        )
        connection.execute("insert into identity.state_crowded select ?, key from wf_turned where crowded", [rule.name])
        connection.execute(
            f"""
            insert into wf_touched
            select record_key from wf_keyed semi join wf_turned on {key} = key
            where record_key not in (select record_key from wf_touched)
            """
        )
    connection.execute("drop table if exists wf_turned")
    return changed


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
    for rule in in_force(limits):
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
