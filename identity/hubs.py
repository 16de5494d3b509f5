"""Values that too many different people share: placeholder mails, shop phones, institutions.

The list is learned from the data, kept in `identity.state_hubs` where it can be seen, and edited by people: in
`identity.hub_overrides`, `block` makes a value a hub and `allow` never lets it be one. A hub mail or phone says nothing
about who a person is and is empty in blocking and in every comparison; a hub address stays as weak evidence.
"""

from __future__ import annotations

import duckdb

from identity.config import MatchConfig

# kind → column of the feature table that holds the value as stated
COLUMNS = {"email": "mailbox", "phone": "telephone", "address": "address"}


def refresh(connection: duckdb.DuckDBPyConnection, config: MatchConfig) -> int:
    """Judge anew every value held by a record of `wf_delta` (old and new versions), or named in `wf_edited`.

    Writes `identity.state_hubs` and adds every record whose value became or ceased to be a hub to `wf_touched`.
    Returns the number of hubs known.
    """
    for kind, column in COLUMNS.items():
        _judge(connection, config, kind, column)
        connection.execute(
            "delete from identity.state_hubs where kind = ? and value in (select value from wf_judged)", [kind]
        )
        connection.execute(
            "insert into identity.state_hubs "
            "select ?, value, names, records, if(action is null, 'learned', 'override') from wf_judged where is_hub",
            [kind],
        )
        connection.execute(
            f"""
            insert into wf_touched
            select record_key from identity.state_features
            where {column} in (select value from wf_judged where is_hub <> was_hub)
              and record_key not in (select record_key from wf_touched)
            """
        )
    connection.execute("drop table wf_judged")
    return int(connection.execute("select count(*) from identity.state_hubs").fetchall()[0][0])


def _judge(connection: duckdb.DuckDBPyConnection, config: MatchConfig, kind: str, column: str) -> None:
    """`wf_judged`: value, names, records, action, is_hub, was_hub."""
    # An institution's address is told by its names; many records at one address may be one flat of loyal customers.
    crowded = "false" if kind == "address" else f"coalesce(records, 0) > {config.hub_records}"
    connection.execute(
        f"""
        create or replace temp table wf_judged as
        with candidates as (
            select {column} as value from wf_delta where {column} is not null
            union
            select value from wf_edited where kind = '{kind}'
        ),
        counted as (
            select {column} as value, count(distinct name_signature) as names, count(*) as records
            from identity.state_features
            where {column} in (select value from candidates)
            group by {column}
        ),
        decided as (select value, action from identity.hub_overrides where kind = '{kind}')
        select
            value, coalesce(names, 0) as names, coalesce(records, 0) as records, action,
            coalesce(action = 'block', coalesce(names, 0) > {dict(config.hub_names)[kind]} or {crowded}) as is_hub,
            value in (select value from identity.state_hubs where kind = '{kind}') as was_hub
        from candidates
        left join counted using (value)
        left join decided using (value)
        """
    )
