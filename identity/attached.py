"""Devices and mail addresses that stand for a profile of their own until a person is found behind them.

`identity.state_attached` keeps the profile that each of them once had. When a person appears, that profile is merged
into the person's and the history joins; when the person disappears again, the former profile is restored.
"""

from __future__ import annotations

import duckdb

from identity.membership import Run
from identity.state import next_number


def settle(connection: duckdb.DuckDBPyConnection, kind: str, wanted: str, run: Run) -> dict[str, int]:
    """Bring the attached of one kind to `wanted`, a table (key, profile_id null when nobody is behind it).

    Returns the number of events by kind.
    """
    connection.execute(
        f"""
        create or replace temp table wf_attach as
        select
            w.key, w.profile_id as person, a.profile_id as own, coalesce(a.active, false) as active,
            w.key is null as vanished,
            coalesce(w.key, a.key) as thing
        from {wanted} as w
        full join (select * from identity.state_attached where kind = '{kind}') as a using (key)
        """
    )
    connection.execute(
        """
        create or replace temp table wf_turns as
        select *, case
            when vanished then if(active, 'retired', null)
            when person is null and own is null then 'created'
            when person is null and not active then 'restored'
            when person is not null and active then 'merged'
        end as turn, if(person is null and own is null and not vanished, uuid()::varchar, own) as profile
        from wf_attach
        """
    )
    _write(connection, kind, run)
    counts = connection.execute("select turn, count(*) from wf_turns where turn is not null group by turn").fetchall()
    connection.execute("drop table wf_attach; drop table wf_turns")
    return {turn: int(count) for turn, count in counts}


def _write(connection: duckdb.DuckDBPyConnection, kind: str, run: Run) -> None:
    sequence = next_number(connection, "identity.identity_events", "seq") - 1
    created = next_number(connection, "identity.profiles", "created_seq") - 1
    connection.execute(
        "insert into identity.profiles "
        "select profile, ? + row_number() over (order by thing), 'living', null, ? "
        "from wf_turns where turn = 'created'",
        [created, run.run_id],
    )
    connection.execute(
        "insert into identity.state_attached select ?, thing, profile, true from wf_turns where turn = 'created'",
        [kind],
    )
    connection.execute(
        """
        update identity.profiles set
            status = case t.turn when 'restored' then 'living' else t.turn end,
            merged_into = case when t.turn = 'merged' then t.person end
        from wf_turns as t where profiles.profile_id = t.profile and t.turn in ('restored', 'merged', 'retired')
        """
    )
    connection.execute(
        "update identity.state_attached set active = (t.turn = 'restored') from wf_turns as t "
        "where state_attached.kind = ? and state_attached.key = t.thing "
        "and t.turn in ('restored', 'merged', 'retired')",
        [kind],
    )
    connection.execute(
        f"""
        insert into identity.identity_events
        select
            ? + row_number() over (order by thing), ?, turn, profile, if(turn = 'merged', to_json([person]), '[]'),
            case turn
                when 'created' then 'first seen, nobody known behind this {kind}'
                when 'merged' then 'a person was found behind this {kind}'
                when 'restored' then 'no person is known behind this {kind} any more'
                else 'this {kind} is gone'
            end, ?
        from wf_turns where turn is not null
        """,
        [sequence, run.run_id, run.at],
    )
