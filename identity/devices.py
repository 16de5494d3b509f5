"""Devices over time: who held a device when.

A device belongs to whoever identified on it last; what happened before the first identify belongs to the first. Two
people of one household split a device by time: the second one's part begins with the sitting in which they identified.
A device on which nobody ever identified is an anonymous visitor with a profile of its own.
"""

from __future__ import annotations

import duckdb

# Web analytics calls half an hour without an event the end of a session.
SITTING_MINUTES = 30


def stitch(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `wf_devices`: anonymous_id, profile_id, valid_from, valid_to, basis of devices on which people identified.

    Reads `intermediate.int_device_identifies` and `identity.identity_map`. Intervals are half-open, leave no gap and do
    not overlap.
    """
    connection.execute(
        f"""
        create or replace temp table wf_devices as
        with known as (
            select d.anonymous_id, m.profile_id, d.identified_at, d.last_seen_at, d.user_id
            from intermediate.int_device_identifies as d
            join identity.identity_map as m on m.source = 'web' and m.source_record_id = d.user_id
        ),
        turns as (
            select *, lag(profile_id) over turn as before, max(last_seen_at) over earlier as seen_before
            from known
            window
                turn as (partition by anonymous_id order by identified_at, user_id),
                earlier as (
                    partition by anonymous_id order by identified_at, user_id
                    rows between unbounded preceding and 1 preceding
                )
        ),
        changes as (
            select
                anonymous_id, profile_id, identified_at, user_id,
                case
                    when before is null then timestamp '0001-01-01'
                    else least(
                        identified_at,
                        greatest(seen_before + interval 1 microsecond,
                        identified_at - interval {SITTING_MINUTES} minute)
                    )
                end as valid_from
            from turns where before is distinct from profile_id
        ),
        -- of two people identifying at the same moment the later in the order holds the device
        apart as (
            select * from changes
            qualify row_number() over (partition by anonymous_id, valid_from order by identified_at desc,
            user_id desc) = 1
        )
        select
            anonymous_id, profile_id, valid_from,
            coalesce(lead(valid_from) over (partition by anonymous_id order by valid_from),
            timestamp '9999-12-31') as valid_to,
            'identify' as basis
        from apart
        """
    )


def add_anonymous(connection: duckdb.DuckDBPyConnection) -> None:
    """Complete `wf_devices` by the devices that stand for themselves (`identity.state_attached`, active)."""
    connection.execute(
        """
        insert into wf_devices
        select key, profile_id, timestamp '0001-01-01', timestamp '9999-12-31', 'anonymous'
        from identity.state_attached where kind = 'device' and active
        """
    )
