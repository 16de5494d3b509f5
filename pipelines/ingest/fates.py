"""What becomes of each row of a group: raw, duplicate or quarantined. All rows at once, in SQL.

Order is that of files, then lines. Events: the first row of a key counts, the same content again is a duplicate, other
content is a conflict. Other records: content equal to the version before is a duplicate, anything else a new version.
A broken row that is already in quarantine is a duplicate: a keyed one wherever it stands, a keyless one when its file
is delivered again.
"""

from __future__ import annotations

import json
from typing import Any

import duckdb

from pipelines.sources.entity import Entity

CONFLICT = ("key_conflict", "{key} was used before by a record with other content.")


def decide(connection: duckdb.DuckDBPyConnection, entity: Entity) -> None:
    """Make `fates` (row_no, fate, code, reason) of `judged` and `failures`; each row has exactly one fate."""
    conflicts = decide_sound(connection, entity)
    _settle_failed(connection, entity, conflicts)


def decide_sound(connection: duckdb.DuckDBPyConnection, entity: Entity) -> list[int]:
    """Make `fates` of the rows that keep the contract; returns the rows in conflict, which have no fate yet."""
    connection.execute("create or replace temp table fates (row_no bigint, fate varchar, code varchar, reason varchar)")
    _look_up_existing(connection, entity)
    _compare(connection, entity)
    return _resolve_suspects(connection, entity)


def _look_up_existing(connection: duckdb.DuckDBPyConnection, entity: Entity) -> None:
    latest = "qualify row_number() over (partition by record_key order by batch_seq desc, line desc) = 1"
    connection.execute(
        f"""
        create or replace temp table existing as
        select record_key, content_hash, mapped
        from {entity.table}
        where record_key in (select record_key from judged)
        {"" if entity.immutable else latest}
        """
    )


def _compare(connection: duckdb.DuckDBPyConnection, entity: Entity) -> None:
    """`compared`: rows that keep the contract, with the content they are measured against (NULL when there is none)."""
    ours = "first_value({0}) over same_key" if entity.immutable else "lag({0}) over same_key"
    held = "existing.{0}"
    order = (held, ours) if entity.immutable else (ours, held)
    hashes = ", ".join(part.format("content_hash") for part in order).replace("existing.content_hash", "held_hash")
    nth = "row_number() over same_key"
    connection.execute(
        f"""
        create or replace temp table compared as
        with good as (
            select judged.row_no, judged.record_key, judged.content_hash, judged.mapped,
                existing.content_hash as held_hash, existing.mapped as held_mapped
            from judged
            left join existing on existing.record_key = judged.record_key
            where judged.code is null and judged.row_no not in (select row_no from failures)
        )
        select
            row_no, record_key, content_hash, mapped, held_mapped,
            {nth} = 1 and held_hash is null as is_new,
            coalesce({hashes}) as other_hash,
            case when {nth} > 1 then {ours.format("row_no")} end as other_row,
            case when {nth} > 1 then {ours.format("mapped")} else held_mapped end as other_mapped
        from good
        window same_key as (partition by record_key order by row_no)
        """
    )
    same_mapping = "true" if entity.immutable else "mapped is not distinct from other_mapped"
    connection.execute(
        f"""
        insert into fates
        select row_no, case
            when is_new then 'raw'
            when content_hash = other_hash and {same_mapping} then 'duplicate'
            when content_hash <> other_hash and {same_mapping} then 'suspect'
            else 'raw'
        end, null, null
        from compared
        """
    )


def _resolve_suspects(connection: duckdb.DuckDBPyConnection, entity: Entity) -> list[int]:
    """Rows whose digest differs may differ only in the order of nested fields; the rest is new or in conflict."""
    cursor = connection.execute(
        f"""
        with suspects as (
            select compared.* from compared join fates on fates.row_no = compared.row_no where fate = 'suspect'
        ),
        held as (
            select record_key, content_hash, any_value(payload) as payload
            from {entity.table}
            where record_key in (select record_key from suspects)
            group by record_key, content_hash
        )
        select suspects.row_no, judged.payload, coalesce(held.payload, other.payload)
        from suspects
        join judged on judged.row_no = suspects.row_no
        left join held on held.record_key = suspects.record_key and held.content_hash = suspects.other_hash
        left join judged as other on other.row_no = suspects.other_row
        """
    )
    same: list[int] = []
    different: list[int] = []
    while rows := cursor.fetchmany(10_000):
        for number, payload, other in rows:
            (same if _same_content(payload, other, entity) else different).append(number)
    _set_fate(connection, same, "duplicate")
    _set_fate(connection, different, "conflict" if entity.immutable else "raw")
    if entity.immutable:
        connection.execute("delete from fates where fate = 'conflict'")
        return different
    return []


def _same_content(payload: str, other: str | None, entity: Entity) -> bool:
    if other is None or "{" not in payload[1:]:
        return False
    try:
        return _canonical(payload, entity) == _canonical(other, entity)
    except ValueError:
        return False


def _canonical(payload: str, entity: Entity) -> str:
    record: dict[str, Any] = json.loads(payload)
    return json.dumps({key: value for key, value in record.items() if key not in entity.volatile}, sort_keys=True)


def _set_fate(connection: duckdb.DuckDBPyConnection, numbers: list[int], fate: str) -> None:
    if numbers:
        connection.execute(
            "update fates set fate = ? where row_no in (select unnest(cast(? as bigint[])))", [fate, numbers]
        )


def _settle_failed(connection: duckdb.DuckDBPyConnection, entity: Entity, conflicts: list[int]) -> None:
    code, reason = CONFLICT
    connection.execute(
        """
        insert into fates
        with failed as (
            select row_no, code, reason from judged where code is not null
            union all
            select row_no, first(code order by rowid), string_agg(reason, ' ' order by rowid)
            from failures group by row_no
            union all
            select unnest(cast($conflicts as bigint[])), $code, $reason
        ),
        numbered as (
            select failed.*, judged.record_key, judged.content_hash, files.file,
                row_number() over (
                    partition by judged.record_key, judged.content_hash,
                        case when judged.record_key is null then judged.file_no end
                    order by failed.row_no
                ) as nth
            from failed
            join judged on judged.row_no = failed.row_no
            join group_files as files on files.file_no = judged.file_no
        ),
        held_keyed as (
            select distinct record_id, content_hash from quarantine.rows
            where source = $source and entity = $entity and record_id is not null
        ),
        held_keyless as (
            select file, content_hash, count(*) as times from quarantine.rows
            where source = $source and entity = $entity and record_id is null
            group by file, content_hash
        )
        select row_no, case
            when numbered.record_key is not null and (nth > 1 or held_keyed.record_id is not null) then 'duplicate'
            when numbered.record_key is null and nth <= coalesce(held_keyless.times, 0) then 'duplicate'
            else 'quarantined'
        end, code, reason
        from numbered
        left join held_keyed
            on held_keyed.record_id = numbered.record_key and held_keyed.content_hash = numbered.content_hash
        left join held_keyless
            on held_keyless.file = numbered.file and held_keyless.content_hash = numbered.content_hash
        """,
        {
            "conflicts": conflicts,
            "code": code,
            "reason": reason.format(key=", ".join(entity.key)),
            "source": entity.source,
            "entity": entity.entity,
        },
    )
