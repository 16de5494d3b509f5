"""From closures to the key tables of a rewrite, and to the values that must not be found afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

import duckdb

from cdp.settings import Settings
from identity import forgetting
from identity.normalise.columns import record_columns
from pipelines.ingest.people import MAIL, narrow, normalise_people, speak_of
from pipelines.ingest.screening import cut_ids
from pipelines.sources.entity import Entity
from pipelines.sources.fields import literal
from pipelines.sources.mapping import EntityMapping, load_mappings
from pipelines.sources.registry import ENTITIES
from privacy.closure import Closure
from privacy.erasure.database import fill, tables
from privacy.keys import TokenKeys
from privacy.matching import Keys, match
from privacy.suppression import records_of
from privacy.tokens import Kind, Token, make
from privacy.verify.needles import Needle


@dataclass
class Filled:
    """What filling the key tables found: rows by raw entity, open quarantine rows, and values as received."""

    raw: dict[str, int] = field(default_factory=dict)
    quarantined: dict[str, int] = field(default_factory=dict)
    received: set[str] = field(default_factory=set)


def keys_of(closures: Sequence[Closure]) -> Keys:
    """What matching looks for."""
    keys = Keys()
    for closure in closures:
        keys.records += [(0, record) for record in closure.records]
        keys.mailboxes += [(0, mailbox) for mailbox in closure.mailboxes]
        keys.devices += [(0, one.device, one.held_from, one.held_to) for one in closure.devices]
    return keys


def tokens_of(closure: Closure, keys: TokenKeys, until: datetime) -> list[Token]:
    """What is kept so that nothing of the person comes in again; devices count up to the erasure.

    The records that were named count too when nobody knows them yet: they may be delivered later.
    """
    named = [] if closure.is_ambiguous else [record for one in closure.named for record in records_of(one)]
    found = [make(keys, "record", record) for record in dict.fromkeys([*closure.records, *named])]
    found += [make(keys, "mailbox", mailbox) for mailbox in closure.mailboxes]
    found += [
        make(keys, "device", one.device, held_from=one.held_from, held_to=one.held_to or until)
        for one in closure.devices
    ]
    found += [make(keys, cast(Kind, kind), value) for kind, value in closure.combined]
    return found


def bounded_tokens_of(closure: Closure, keys: TokenKeys, until: datetime) -> list[Token]:
    """As `tokens_of`, for somebody who may be a customer anew: all of it counts for what happened before `until` only.

    What a household shares counts together with a name only, and names do not change with time: it is left out.
    """
    found = [make(keys, "record", record, held_to=until) for record in closure.records]
    found += [make(keys, "mailbox", mailbox, held_to=until) for mailbox in closure.mailboxes]
    return found + [token for token in tokens_of(closure, keys, until) if token.kind == "device"]


def needles_of(closures: Sequence[Closure], received: Sequence[str]) -> list[Needle]:
    """Values that only the erased had: as normalised, and as received."""
    found = [Needle(0, "received", value) for value in received]
    for closure in closures:
        found += [Needle(0, "mailbox", value) for value in closure.mailboxes]
        found += [Needle(0, "phone", value) for value in closure.phones]
        found += [Needle(0, "device", one.device) for one in closure.devices if one.whole]
        found += [Needle(0, "record", record.partition(":")[2]) for record in closure.records]
    return list(dict.fromkeys(found))


def install(connection: duckdb.DuckDBPyConnection, settings: Settings, closures: Sequence[Closure]) -> Filled:
    """Fill the key tables of a connection on which a warehouse or snapshot is attached as `old`."""
    there = set(tables(connection))
    fill(connection, "erase_records", [record for closure in closures for record in closure.records])
    fill(connection, "erase_devices", [one.device for c in closures for one in c.devices if one.whole])
    fill(connection, "erase_values", [value for c in closures for value in (*c.mailboxes, *c.phones)])
    fill(connection, "erase_members", [record for closure in closures for record in closure.records])
    fill(connection, "erase_profiles", [profile for closure in closures for profile in closure.profiles])
    if "identity.identity_map" in there:
        _profiles(connection)
    if "identity.state_features" in there:
        forgetting.lost_names(connection, "erase_records", "erase_frequencies")
    found = Filled()
    if "quarantine.rows" in there:
        keys_of(closures).install(connection)
        mappings = load_mappings(settings.mapping_dir)
        for entity in ENTITIES:
            if entity.table in there:
                _raw_rows(connection, entity, mappings[entity.name], found)
            _quarantine_rows(connection, entity, found)
        for table in ("people", "people_normal", "matched", "matched_ids", "narrowed", "known_mails"):
            connection.execute(f"drop table if exists temp.{table}")
    return found


def _profiles(connection: duckdb.DuckDBPyConnection) -> None:
    """Every id the people are or were known under, and all records of these profiles."""
    connection.execute(
        """
        insert into erase_profiles
        with recursive ids (value) as (
            select profile_id from old.identity.identity_map
            where source || ':' || source_record_id in (select value from erase_records)
            union select value from erase_profiles
            union select d.profile_id from old.identity.device_map as d
                where d.basis = 'anonymous' and d.anonymous_id in (select value from erase_devices)
            union
            select p.profile_id from old.identity.profiles as p join ids on ids.value = p.merged_into
        )
        select value from ids where value not in (select value from erase_profiles)
        """
    )
    connection.execute(
        """
        insert into erase_members
        select source || ':' || source_record_id from old.identity.identity_map
        where profile_id in (select value from erase_profiles)
            and source || ':' || source_record_id not in (select value from erase_members)
        """
    )


def _raw_rows(connection: duckdb.DuckDBPyConnection, entity: Entity, mapping: EntityMapping, found: Filled) -> None:
    records = f"(select rowid as row_no, coalesce(mapped, payload) as record from old.{entity.table})"
    likely = narrow(connection, entity, records, record_columns)
    speak_of(connection, entity, likely, record_columns, normal=MAIL)
    match(connection)
    found.raw[entity.name] = _take(connection, entity.table, found)
    connection.execute(
        f"""
        insert into erase_events
        select distinct '{entity.name}', record_key from old.{entity.table} as t
        where t.rowid in (select row_no from erase_rows where name = '{entity.table}')
        """
    )
    if entity.person.separator is not None:
        _cut_lists(connection, entity, mapping)


def _take(connection: duckdb.DuckDBPyConnection, name: str, found: Filled) -> int:
    """Rows that go as a whole to `erase_rows`; mails and phones as they stand in matched rows are remembered."""
    connection.execute("insert into erase_rows select distinct ?, row_no from matched where whole", [name])
    normalise_people(connection, record_columns, people="(select * from people semi join matched using (row_no))")
    stated = connection.execute(
        """
        select distinct p.email from people as p join people_normal as n using (row_no)
        where p.email is not null and n.mailbox in (select value from erase_values)
        union
        select distinct p.phone from people as p join people_normal as n using (row_no)
        where p.phone is not null and n.phone in (select value from erase_values)
        """
    ).fetchall()
    found.received |= {value for (value,) in stated} | {value.lower() for (value,) in stated}
    rows = connection.execute("select count(*) from erase_rows where name = ?", [name]).fetchall()
    return int(rows[0][0])


def _cut_lists(connection: duckdb.DuckDBPyConnection, entity: Entity, mapping: EntityMapping) -> None:
    """Rows about several people of whom some are erased keep the others; staging shows the newest version."""
    person = entity.person
    column, separator = str(person.record), str(person.separator)
    theirs = mapping.theirs(column) or column
    rows = connection.execute(
        f"""
        select t.rowid, t.record_key, p.ids, list(distinct m.id), t.mapped is not null
        from matched_ids as m join people as p using (row_no) join old.{entity.table} as t on t.rowid = p.row_no
        where t.rowid not in (select row_no from erase_rows where name = '{entity.table}')
        group by all
        """
    ).fetchall()
    for row, key, ids, erased, is_mapped in rows:
        value = cut_ids(ids, set(erased), separator)
        for field_, name in (("payload", theirs), ("mapped", column)):
            if field_ == "mapped" and not is_mapped:
                continue
            connection.execute(
                f"""
                insert into erase_cuts select '{entity.table}', rowid, '{field_}',
                    cast(json_merge_patch(cast({field_} as json), json_object({literal(name)}, ?)) as varchar)
                from old.{entity.table} where rowid = ?
                """,
                [value, row],
            )
        _cut_staged(connection, key, value)


def _cut_quarantined(connection: duckdb.DuckDBPyConnection, entity: Entity, here: str) -> None:
    """Readable rows in quarantine about several people keep the others too; what was no record went as a whole."""
    column, separator = str(entity.person.record), str(entity.person.separator)
    rows = connection.execute(
        f"""
        select p.row_no, p.ids, list(distinct m.id) from matched_ids as m join people as p using (row_no)
        where p.row_no in (select rowid from old.quarantine.rows where {here})
            and p.row_no not in (select row_no from erase_rows where name = 'quarantine.rows')
        group by all
        """
    ).fetchall()
    for row, ids, erased in rows:
        connection.execute(
            f"""
            insert into erase_cuts select 'quarantine.rows', rowid, 'payload',
                cast(json_merge_patch(cast(payload as json), json_object({literal(column)}, ?)) as varchar)
            from old.quarantine.rows where rowid = ?
            """,
            [cut_ids(ids, set(erased), separator), row],
        )


def _cut_staged(connection: duckdb.DuckDBPyConnection, deal: str, value: str) -> None:
    if "staging.stg_sales__deals" in tables(connection):
        connection.execute(
            "insert into erase_cuts select 'staging.stg_sales__deals', rowid, 'contact_ids', ? "
            "from old.staging.stg_sales__deals where deal_id = ?",
            [value, deal],
        )


def _quarantine_rows(connection: duckdb.DuckDBPyConnection, entity: Entity, found: Filled) -> None:
    here = f"source = '{entity.source}' and entity = '{entity.entity}'"
    readable = "coalesce(case when json_valid(payload) then json_type(payload) end = 'OBJECT', false)"
    records = (
        f"(select rowid as row_no, case when {readable} then payload else '{{}}' end as record"
        f" from old.quarantine.rows where {here})"
    )
    broken = f"(select rowid as row_no, payload from old.quarantine.rows where {here} and not ({readable}))"
    speak_of(connection, entity, records, record_columns, broken=broken, normal=MAIL)
    match(connection)
    _take(connection, "quarantine.rows", found)
    if entity.person.separator is not None:
        _cut_quarantined(connection, entity, here)
    rows = connection.execute(
        f"""
        select count(*) from old.quarantine.rows as t where {here} and replayed_batch is null
            and t.rowid in (select row_no from erase_rows where name = 'quarantine.rows')
        """
    ).fetchall()
    found.quarantined[entity.name] = int(rows[0][0])
