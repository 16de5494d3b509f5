"""The tables that other layers read, made from identity's state: devices, addresses, identifiers, golden records.

Of golden records and identifiers only those of profiles that changed are rewritten, in the caller's transaction.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from identity import addresses, attached, devices, survivorship
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


def publish(connection: duckdb.DuckDBPyConnection, *, rules: Path | None, everything: bool) -> int:
    """Bring device map, marketing rows of the identity map, identifiers and golden records up to date.

    Only the profiles concerned are rewritten, unless `everything` is. Returns how many that were.
    """
    _concerned(connection)
    connection.execute("delete from identity.device_map; insert into identity.device_map select * from wf_devices")
    connection.execute("delete from identity.identity_map where source = 'marketing'")
    connection.execute(
        "insert into identity.identity_map select 'marketing', address, profile_id, 1.0, false from wf_marketing"
    )
    only = None if everything else "wf_concerned"
    survivorship.write_identifiers(connection, only=only)
    survivorship.write_golden(connection, rules, only=only)
    count = connection.execute(f"select count(*) from {only or 'identity.golden'}").fetchall()[0][0]
    connection.execute("drop table wf_concerned; drop table wf_marketing")
    return int(count)


def _concerned(connection: duckdb.DuckDBPyConnection) -> None:
    """`wf_concerned` (profile_id): whose records, devices or addresses changed; `wf_marketing`: the addresses now.

    An address that came or went also concerns the people whose records carry it: being written to verifies it. The
    time of a record is no part of its content but decides which value is the latest, so times are compared too.
    """
    connection.execute(
        """
        create or replace temp table wf_moved as
        select source || ':' || source_record_id as record_key, coalesce(updated_at, created_at) as observed_at
        from intermediate.int_source_records
        except from identity.state_times
        """
    )
    connection.execute(
        """
        create or replace temp table wf_marketing as
        select w.key as address, coalesce(w.profile_id, a.profile_id) as profile_id
        from wf_addresses as w
        left join identity.state_attached as a on a.kind = 'address' and a.key = w.key and a.active
        """
    )
    connection.execute(
        """
        create or replace temp table wf_concerned as
        with former as (
            select source_record_id as address, profile_id from identity.identity_map where source = 'marketing'
        ),
        addresses as ((from former except from wf_marketing) union all (from wf_marketing except from former)),
        former_devices as (from identity.device_map),
        devices as (
            (from former_devices except from wf_devices) union all (from wf_devices except from former_devices)
        ),
        carriers as (
            select m.profile_id from identity.state_features as f
            join identity.identity_map as m using (source, source_record_id)
            where f.email_norm in (select address from addresses)
        )
        select profile_id from wf_profiles
        union select profile_id from addresses
        union select profile_id from devices
        union select profile_id from carriers
        union select m.profile_id from identity.identity_map as m
            join identity.state_features as f using (source, source_record_id) semi join wf_moved using (record_key)
        union select p.profile_id from identity.profiles as p anti join identity.golden as g using (profile_id)
            where p.status = 'living'
        """
    )
    connection.execute(
        """
        delete from identity.state_times
        where record_key in (select record_key from wf_moved)
           or record_key not in (select record_key from identity.state_features)
        """
    )
    connection.execute("insert into identity.state_times select * from wf_moved; drop table wf_moved")
