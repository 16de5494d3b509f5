"""What identity keeps and does when records are erased under it.

Rows of erased records are taken out elsewhere. Here: which names only they carried, which remaining records must be
looked at again because they had been compared with an erased one, and the ids that are retired for ever. The next
resolution then treats those records like changed ones and ends where a rebuild without the erased would.

Functions take a connection on which the former state is attached as `old` and the new one as `new`.
"""

from __future__ import annotations

from datetime import datetime

import duckdb


def lost_names(connection: duckdb.DuckDBPyConnection, gone: str, target: str) -> None:
    """Fill `target` (field, value) with name frequencies whose value no record outside `gone` (value) carries."""
    connection.execute(
        f"""
        insert into {target}
        with stated as (
            select record_key, field, value
            from (unpivot (select record_key, given, given_root, family from old.identity.state_features)
                on given, given_root, family into name field value value)
        )
        select distinct s.field, s.value from stated as s
        where s.record_key in (select value from {gone}) and not exists (
            select 1 from stated as o where o.field = s.field and o.value = s.value
                and o.record_key not in (select value from {gone})
        )
        """
    )


def look_again(connection: duckdb.DuckDBPyConnection, gone: str) -> int:
    """Let the next run match anew every record that an edge or a refusal tied to one of `gone`; returns how many.

    Hubs and crowded keys that an erased record helped to fill are judged again through one remaining holder each.
    """
    connection.execute(
        f"""
        create or replace temp table forget_near as
        with pairs as (
            select record_a as a, record_b as b from old.identity.edges
            union all select record_a, record_b from old.identity.refusals
            union all select record_a, record_b from old.identity.decisions
        ),
        shared as (
            select any_value(f.record_key) as record_key
            from new.identity.state_features as f
            join (select distinct mailbox, telephone, address from old.identity.state_features
                where record_key in (select value from {gone})) as g
                on f.mailbox = g.mailbox or f.telephone = g.telephone or f.address = g.address
            group by g.mailbox, g.telephone, g.address
        )
        select b as record_key from pairs where a in (select value from {gone})
        union select a from pairs where b in (select value from {gone})
        union select record_key from shared
        """
    )
    connection.execute(
        "update new.identity.state_features set content_hash = '' "
        "where record_key in (select record_key from forget_near)"
    )
    return int(connection.execute("select count(*) from forget_near").fetchall()[0][0])


def retire(connection: duckdb.DuckDBPyConnection, profiles: str, run_id: str, at: datetime) -> None:
    """Keep the ids in `profiles` (value) as retired, with an event each and nothing else."""
    connection.execute(
        f"update new.identity.profiles set status = 'retired', merged_into = null "
        f"where profile_id in (select value from {profiles})"
    )
    connection.execute(
        f"""
        insert into new.identity.identity_events
        select (select coalesce(max(seq), 0) from old.identity.identity_events) + row_number() over (order by value),
            ?, 'retired', value, '[]', 'erased', ?
        from {profiles}
        """,
        [run_id, at.replace(tzinfo=None)],
    )
