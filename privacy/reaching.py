"""The steps from identifiers to records, as temporary tables of a connection: what `privacy.closure.find` is made of.

Seeds are what the identifiers (or the records of a former closure) lead to; from them evidence and decisions reach the
other records of the profile; addresses and devices are attached to those. Each function says which tables it makes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cdp.domain.words import IDENTIFIER_OF_SOURCE, IdentifierType
from privacy.naming import PROFILE

if TYPE_CHECKING:
    import duckdb

    from privacy.closure import Closure, Named

# A phone is a household's; it names a person only while it leads to a single profile.
WEAK = frozenset({str(IdentifierType.PHONE)})
_FIRST, _LAST = "timestamp '0001-01-01'", "timestamp '9999-12-31'"


def install(
    connection: duckdb.DuckDBPyConnection, subjects: Sequence[Sequence[Named]], frozen: Sequence[Closure]
) -> None:
    """`c_named` (subject, kind, value, mailbox), `c_kept` (subject, record_key), `c_asked`: what is looked up."""
    named = [(number, one.kind, one.value, one.mailbox) for number, given in enumerate(subjects) for one in given]
    kept = [
        (number, record)
        for number, closure in enumerate(frozen)
        for record in closure.records
        if not record.startswith("marketing:")
    ]
    _fill(connection, "c_named", ("kind", "value", "mailbox"), named)
    _fill(connection, "c_kept", ("record_key",), kept)
    connection.execute("create or replace temp view c_asked as select * from c_named anti join c_kept using (subject)")


def _fill(
    connection: duckdb.DuckDBPyConnection, name: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> None:
    import pyarrow as pa

    values = list(zip(*rows, strict=True)) if rows else [()] * (len(columns) + 1)
    types = (pa.int32(), *(pa.string() for _ in columns))
    table = pa.table(
        [pa.array(list(column), kind) for column, kind in zip(values, types, strict=True)], names=["subject", *columns]
    )
    connection.register("arriving", table)
    connection.execute(f"create or replace temp table {name} as select * from arriving")
    connection.unregister("arriving")


def there(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether identity was ever resolved here."""
    found = connection.execute(
        "select count(*) from duckdb_tables() where schema_name = 'identity' and table_name in "
        "('identifiers', 'identity_map', 'profiles', 'edges', 'decisions', 'state_features', 'device_map')"
    ).fetchall()
    return int(found[0][0]) == 7


def seed(connection: duckdb.DuckDBPyConnection) -> None:
    """`c_profiles` (subject, profile_id) and `c_seeds` (subject, record_key): what the identifiers lead to."""
    weak = ", ".join(f"'{kind}'" for kind in sorted(WEAK))
    sources = " ".join(f"when '{source}' then '{kind}'" for source, kind in IDENTIFIER_OF_SOURCE.items())
    connection.execute(
        f"""
        create or replace temp table c_found as
        with recursive lives (subject, profile_id, merged_into) as (
            select n.subject, p.profile_id, p.merged_into
            from c_asked as n join identity.profiles as p on p.profile_id = n.value where n.kind = '{PROFILE}'
            union
            select l.subject, p.profile_id, p.merged_into
            from lives as l join identity.profiles as p on p.profile_id = l.merged_into
        ),
        by_value as (
            select n.subject, i.profile_id, i.source || ':' || i.source_record_id as record_key,
                n.kind in ({weak}) as weak
            from c_asked as n join identity.identifiers as i on i.type = n.kind and i.value = n.value
        ),
        -- a value that many share is no identifier for lookup, but the record of this number is this record
        by_record as (
            select n.subject, m.profile_id, m.source || ':' || m.source_record_id, false
            from c_asked as n join identity.identity_map as m
                on m.source_record_id = n.value and n.kind = case m.source {sources} end
        ),
        -- a device names the web users who identified themselves on it
        by_device as (
            select distinct n.subject, m.profile_id, 'web:' || d.user_id, false
            from c_asked as n join intermediate.int_device_identifies as d
                on d.anonymous_id = n.value and n.kind = '{IdentifierType.ANONYMOUS_ID}'
            join identity.identity_map as m on m.source = 'web' and m.source_record_id = d.user_id
        ),
        by_profile as (
            select l.subject, l.profile_id, m.source || ':' || m.source_record_id, false
            from lives as l left join identity.identity_map as m
                on m.profile_id = l.profile_id and not m.provisional
            where l.merged_into is null
        ),
        by_keeping as (
            select k.subject, m.profile_id, k.record_key, false
            from c_kept as k join identity.identity_map as m
                on m.source || ':' || m.source_record_id = k.record_key
        )
        select * from by_value union select * from by_record
        union select * from by_device union select * from by_profile union select * from by_keeping
        """
    )
    connection.execute(
        """
        create or replace temp table c_profiles as
        with strong as (select distinct subject, profile_id from c_found where not weak)
        select * from strong
        union
        select subject, profile_id from c_found where subject not in (select subject from strong)
        """
    )
    connection.execute(
        """
        create or replace temp table c_clear as
        select subject, any_value(profile_id) as profile_id from c_profiles group by subject having count(*) = 1
        """
    )
    connection.execute(
        "create or replace temp table c_seeds as "
        "select distinct f.subject, f.record_key from c_found as f join c_clear using (subject, profile_id) "
        "where f.record_key is not null"
    )


def grow(connection: duckdb.DuckDBPyConnection, join_weight: float) -> None:
    """`c_certain` (subject, record_key): members that evidence or decisions tie to a seed; no marketing addresses."""
    connection.execute(
        """
        create or replace temp table c_members as
        select c.subject, m.source || ':' || m.source_record_id as record_key, m.source, m.source_record_id
        from c_clear as c join identity.identity_map as m using (profile_id)
        """
    )
    connection.execute(
        f"""
        create or replace temp table c_certain as
        with recursive links as (
            select record_a as a, record_b as b from identity.edges
            where weight >= {join_weight!r} and not name_only
                and record_a in (select record_key from c_members) and record_b in (select record_key from c_members)
            union
            select record_a, record_b from identity.decisions where kind = 'always'
        ),
        either as (select a, b from links union select b, a from links),
        reached (subject, record_key) as (
            select s.subject, s.record_key from c_seeds as s join c_members using (subject, record_key)
            where not starts_with(s.record_key, 'marketing:')
            union
            select r.subject, m.record_key
            from reached as r join either on either.a = r.record_key
            join c_members as m on m.subject = r.subject and m.record_key = either.b
        )
        select * from reached
        """
    )


def keep(connection: duckdb.DuckDBPyConnection) -> None:
    """What was certain before stays so."""
    connection.execute("insert into c_certain select * from c_kept anti join c_certain using (subject, record_key)")


def attach(connection: duckdb.DuckDBPyConnection) -> None:
    """Add marketing addresses to `c_certain`, and make `c_devices` (subject, device, held_from, held_to)."""
    connection.execute(
        """
        insert into c_certain
        with own as (
            select distinct c.subject, f.mailbox from c_certain as c
            join identity.state_features as f using (record_key)
            where f.mailbox not in (
                select o.mailbox from identity.state_features as o anti join c_certain using (record_key)
                where o.mailbox is not null
            )
        )
        select distinct m.subject, m.record_key from c_members as m
        left join identity.state_addresses as a on a.address = m.source_record_id
        left join own on own.subject = m.subject and own.mailbox = a.mailbox
        left join c_seeds as s on s.subject = m.subject and s.record_key = m.record_key
        where m.source = 'marketing' and (
            own.mailbox is not null
            -- an address that stands for a profile of its own
            or (s.record_key is not null
                and m.subject not in (select subject from c_members where source <> 'marketing'))
        )
        """
    )
    connection.execute(
        f"""
        create or replace temp table c_devices as
        with identified as (
            select i.anonymous_id, m.subject, m.record_key
            from intermediate.int_device_identifies as i
            join c_members as m on m.record_key = 'web:' || i.user_id
        ),
        users as (
            select d.anonymous_id, c.subject, bool_and(k.record_key is not null) as certain
            from (select distinct anonymous_id, profile_id from identity.device_map) as d
            join c_clear as c using (profile_id)
            left join identified as i on i.anonymous_id = d.anonymous_id and i.subject = c.subject
            left join c_certain as k on k.subject = i.subject and k.record_key = i.record_key
            group by all
        )
        select u.subject, d.anonymous_id as device,
            nullif(d.valid_from, {_FIRST}) as held_from, nullif(d.valid_to, {_LAST}) as held_to
        from users as u
        join c_clear as c using (subject)
        join identity.device_map as d on d.anonymous_id = u.anonymous_id and d.profile_id = c.profile_id
        where u.certain or (d.basis = 'anonymous'
            and u.subject not in (select subject from c_members where source <> 'marketing'))
        """
    )


def empty(connection: duckdb.DuckDBPyConnection) -> None:
    """No identity yet: nothing but what was named."""
    for table, columns in {
        "c_profiles": "subject integer, profile_id varchar",
        "c_clear": "subject integer, profile_id varchar",
        "c_members": "subject integer, record_key varchar, source varchar, source_record_id varchar",
        "c_certain": "subject integer, record_key varchar",
        "c_devices": "subject integer, device varchar, held_from timestamp, held_to timestamp",
        "c_features": "record_key varchar, mailbox varchar, telephone varchar, address varchar, postcode varchar,"
        " given varchar, family varchar",
    }.items():
        connection.execute(f"create or replace temp table {table} ({columns})")
