"""What is new, changed or gone since the last run, and the features of what is new.

Leaves four temporary tables on the connection: `wf_gone` (keys of deleted or changed records), `wf_delta` (their old
features and the new ones), `wf_touched` (keys of records to be matched anew) and `wf_affected` (keys whose component
must be looked at). A record is unchanged when its content and the way features are made are.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from cdp.ids import digest
from identity.config import MatchConfig
from identity.features import FEATURES_VERSION, create_table, derive

_CHUNK = 200_000


@dataclass(frozen=True)
class Changes:
    """Numbers of records new or changed, of records deleted, and of records there are now."""

    arrived: int
    deleted: int
    records: int


def detect(
    connection: duckdb.DuckDBPyConnection, records: str, config: MatchConfig, *, rebuild: bool = False
) -> Changes:
    """Compare the table `records` (grain source, source_record_id; with content_hash) with what is stored.

    With `rebuild` every record counts as changed.
    """
    made_by = digest(str(FEATURES_VERSION), repr(config))[:12]
    connection.execute(
        f"""
        create or replace temp table wf_difference as
        with now as (
            select source || ':' || source_record_id as record_key, content_hash || '{made_by}' as content_hash
            from {records}
        )
        select n.record_key as here, n.content_hash, s.record_key as there, s.content_hash as stored_hash
        from now as n full join identity.state_features as s using (record_key)
        where {"true" if rebuild else "n.content_hash is distinct from s.content_hash"}
        """
    )
    connection.execute(
        f"""
        create or replace temp table wf_arrived as
        select here as record_key, content_hash, (row_number() over (order by here) - 1) // {_CHUNK} as chunk
        from wf_difference where here is not null
        """
    )
    connection.execute(
        "create or replace temp table wf_gone as "
        "select there as record_key, stored_hash as content_hash from wf_difference where there is not null"
    )
    counts = connection.execute(
        f"""
        select
            (select count(*) from wf_arrived), (select count(*) from wf_difference where here is null),
            (select count(*) from {records})
        """
    ).fetchall()[0]
    connection.execute("drop table wf_difference")
    return Changes(*(int(count) for count in counts))


def apply(connection: duckdb.DuckDBPyConnection, records: str, config: MatchConfig) -> None:
    """Bring `identity.state_features` up to date and start the four temporary tables."""
    connection.execute("drop table if exists wf_delta; drop table if exists wf_fresh")
    create_table(connection, "wf_fresh", config, temporary=True)
    connection.execute(
        "create temp table wf_delta as "
        "select f.* from identity.state_features as f semi join wf_gone using (record_key)"
    )
    connection.execute("delete from identity.state_features where record_key in (select record_key from wf_gone)")
    _derive_arrived(connection, records, config)
    connection.execute("insert into identity.state_features select * from wf_fresh")
    connection.execute("insert into wf_delta select * from wf_fresh")
    connection.execute("drop table wf_fresh")
    connection.execute("create or replace temp table wf_touched as select record_key from wf_arrived")
    connection.execute(
        "create or replace temp table wf_affected as "
        "select record_key from wf_arrived union select record_key from wf_gone"
    )


def _derive_arrived(connection: duckdb.DuckDBPyConnection, records: str, config: MatchConfig) -> None:
    """Append the features of what arrived to `wf_fresh`, in chunks: normalisation happens outside the database."""
    chunks = connection.execute("select coalesce(max(chunk), -1) from wf_arrived").fetchall()[0][0]
    for chunk in range(int(chunks) + 1):
        table = connection.execute(
            f"""
            select r.* exclude (content_hash), a.record_key, a.content_hash
            from {records} as r
            join wf_arrived as a on a.record_key = r.source || ':' || r.source_record_id
            where a.chunk = {chunk} order by a.record_key
            """
        ).to_arrow_table()
        derive(connection, table, "wf_fresh", config)
