"""The tables that other layers read, made from the state of identity: devices, addresses, identifiers, golden records.

Each is replaced as a whole or for the profiles that changed, inside the caller's transaction.
"""

from __future__ import annotations

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


def publish(connection: duckdb.DuckDBPyConnection) -> None:
    """Replace device map, marketing rows of the identity map, identifiers and golden records."""
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
    survivorship.write_identifiers(connection)
    survivorship.write_golden(connection)
