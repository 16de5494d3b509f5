"""The tables that other layers read, made from the state of identity: devices, addresses, identifiers, golden records.

Each is replaced as a whole or for the profiles that changed, inside the caller's transaction.
"""

from __future__ import annotations

import duckdb

from cdp.domain.words import IDENTIFIER_OF_SOURCE, IdentifierType
from identity import addresses, attached, devices
from identity.config import MatchConfig
from identity.membership import Run


def settle_attached(connection: duckdb.DuckDBPyConnection, config: MatchConfig, run: Run) -> dict[str, int]:
    """Devices and marketing addresses: persons behind them, or profiles of their own. Returns events by kind."""
    addresses.learn(connection, config)
    addresses.place(connection)
    counts = attached.settle(connection, "address", "wf_addresses", run)
    devices.stitch(connection)
    connection.execute(
        """
        create or replace temp table wf_holders as
        select d.anonymous_id as key, arg_min(w.profile_id, w.valid_from) as profile_id
        from intermediate.int_devices as d left join wf_devices as w using (anonymous_id) group by d.anonymous_id
        """
    )
    for kind, count in attached.settle(connection, "device", "wf_holders", run).items():
        counts[kind] = counts.get(kind, 0) + count
    devices.add_anonymous(connection)
    return counts


def publish(connection: duckdb.DuckDBPyConnection) -> None:
    """Replace device map, marketing rows of the identity map and identifiers."""
    connection.execute("delete from identity.device_map; insert into identity.device_map select * from wf_devices")
    connection.execute("delete from identity.identity_map where source = 'marketing'")
    connection.execute(
        """
        insert into identity.identity_map
        select 'marketing', w.key, coalesce(w.profile_id, a.profile_id), 1.0, false
        from wf_addresses as w
        left join identity.state_attached as a on a.kind = 'address' and a.key = w.key and a.active
        """
    )
    _identifiers(connection)
    _golden(connection)


def _identifiers(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("delete from identity.identifiers")
    records = (
        "identity.identity_map as m join identity.state_features as f "
        "on f.source = m.source and f.source_record_id = m.source_record_id"
    )
    for kind, column, hub in (
        (IdentifierType.EMAIL, "email_norm", "mailbox"),
        (IdentifierType.PHONE, "telephone", "telephone"),
    ):
        connection.execute(
            f"""
            insert into identity.identifiers
            select m.profile_id, '{kind}', f.{column}, m.source, m.source_record_id from {records}
            where f.{column} is not null
              and coalesce(f.{hub}, '') not in (select value from identity.state_hubs where kind = '{kind}')
            """
        )
    connection.execute(
        f"""
        insert into identity.identifiers
        select profile_id, '{IdentifierType.EMAIL}', source_record_id, source, source_record_id
        from identity.identity_map where source = 'marketing'
        """
    )
    for source, kind in IDENTIFIER_OF_SOURCE.items():
        connection.execute(
            "insert into identity.identifiers select profile_id, ?, source_record_id, source, source_record_id "
            "from identity.identity_map where source = ?",
            [str(kind), str(source)],
        )
    connection.execute(
        f"""
        insert into identity.identifiers
        select distinct profile_id, '{IdentifierType.ANONYMOUS_ID}', anonymous_id, 'web', anonymous_id
            from identity.device_map
        """
    )


_TRAITS = (
    "first_name",
    "last_name",
    "full_name",
    "email",
    "phone",
    "birth_date",
    "street",
    "city",
    "region",
    "postcode",
    "country",
)


def _golden(connection: duckdb.DuckDBPyConnection) -> None:
    """One row per living profile."""
    latest = ", ".join(f"arg_max({trait}, rank) filter ({trait} is not null) as {trait}" for trait in _TRAITS)
    connection.execute("delete from identity.golden")
    connection.execute(
        f"""
        insert into identity.golden
        with ranked as (
            select
                m.profile_id, m.confidence, m.source, r.* exclude (source, email, phone, birth_date, full_name),
                f.email_norm as email, f.telephone as phone, try_cast(f.birth as date) as birth_date,
                coalesce(r.full_name, nullif(concat_ws(' ', r.first_name, r.last_name), '')) as full_name,
                struct_pack(
                    priority := case m.source when 'sales' then 3 when 'pos' then 2 when 'support' then 1 else 0 end,
                    updated_at := r.updated_at, key := f.record_key
                ) as rank
            from identity.identity_map as m
            join identity.state_features as f on f.source = m.source and f.source_record_id = m.source_record_id
            join intermediate.int_source_records as r on r.source = m.source and r.source_record_id = m.source_record_id
        ),
        people as (
            select profile_id, {latest}, count(*) as records, count(distinct source) as sources,
            min(confidence) as confidence
            from ranked group by profile_id
        ),
        addresses as (select profile_id, any_value(source_record_id) as email from identity.identity_map
            where source = 'marketing' group by 1)
        select
            p.profile_id, first_name, last_name, full_name, coalesce(k.email, a.email) as email, phone, birth_date,
            street, city,
            region, postcode, country, k.profile_id is null and a.profile_id is null as is_anonymous,
            coalesce(k.records, 0) as records, coalesce(k.sources, 0) as sources, coalesce(k.confidence,
            1.0) as confidence
        from identity.profiles as p
        left join people as k using (profile_id)
        left join addresses as a using (profile_id)
        where p.status = 'living'
        """
    )
