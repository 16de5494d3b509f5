"""Clusters → profile ids: keeps `identity.identity_map`, `profiles`, `identity_events` and the history of membership.

Most clusters are the same as before or wholly new; those are settled in SQL. The rest goes through `stable_ids`.
Everything here belongs to the caller's transaction.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from cdp.ids import new_profile_id
from identity import stable_ids
from identity.stable_ids import Assignment, Event
from identity.state import next_number


@dataclass(frozen=True)
class Run:
    """Which run writes, and the data's now."""

    run_id: str
    now: datetime

    @property
    def at(self) -> datetime:
        """The moment as the warehouse keeps it: UTC without zone."""
        return self.now.replace(tzinfo=None)


def assign(connection: duckdb.DuckDBPyConnection, run: Run) -> dict[str, int]:
    """Give the clusters of `wf_clusters` their profiles; deleted records (`wf_gone` without successor) leave theirs.

    Leaves `wf_profiles` (profile_id): every profile whose records changed, the lost ones included. Returns the number
    of events by kind.
    """
    _former(connection)
    connection.execute(
        """
        create or replace temp table wf_simple as
        with counted as (
            select label, count(*) as records, count(former) as known, count(distinct former) as formers,
                any_value(former) as profile_id
            from wf_members where label is not null group by label
        ),
        held as (select former as profile_id, count(distinct coalesce(label, '')) as clusters from wf_members
                 where former is not null group by former)
        select label, profile_id, case when known = 0 then 'new' else 'same' end as kind
        from counted left join held using (profile_id)
        where known = 0 or (formers = 1 and clusters = 1)
        """
    )
    connection.execute(
        """
        create or replace temp table wf_named as
        select label, if(kind = 'new', uuid()::varchar, profile_id) as profile_id, kind from wf_simple
        """
    )
    assignment = _assign_others(connection)
    _write(connection, run, assignment)
    counts = connection.execute(
        "select kind, count(*) from identity.identity_events where run_id = ? group by kind", [run.run_id]
    ).fetchall()
    return {kind: int(count) for kind, count in counts}


def _former(connection: duckdb.DuckDBPyConnection) -> None:
    """`wf_members`: record_key, label (null when deleted), former profile, for clusters and for deleted records."""
    connection.execute(
        """
        create or replace temp table wf_members as
        with held as (select record_key, profile_id from identity.state_history where to_seq is null)
        select c.record_key, c.label, h.profile_id as former
        from wf_clusters as c left join held as h using (record_key)
        union all
        select g.record_key, null, h.profile_id
        from wf_gone as g join held as h using (record_key)
        where g.record_key not in (select record_key from identity.state_features)
        """
    )


def _assign_others(connection: duckdb.DuckDBPyConnection) -> Assignment:
    rows = connection.execute(
        "select record_key, label, former from wf_members anti join wf_simple using (label) order by record_key"
    ).fetchall()
    clusters: dict[str, list[str]] = defaultdict(list)
    former: dict[str, str] = {}
    gone: dict[str, str] = {}
    for record, label, profile in rows:
        if label is None:
            gone[record] = profile
            continue
        clusters[label].append(record)
        if profile is not None:
            former[record] = profile
    mentioned = sorted({*former.values(), *gone.values()})
    connection.register("arriving", pa.table({"profile_id": pa.array(mentioned, pa.string())}))
    # A profile that still holds records elsewhere is not retired by the loss of some.
    ages = connection.execute(
        "select profile_id, created_seq from identity.profiles semi join arriving using (profile_id)"
    ).fetchall()
    settled = connection.execute("select profile_id from wf_simple where kind = 'same'").fetchall()
    connection.unregister("arriving")
    alive = {profile for (profile,) in settled}
    gone = {record: profile for record, profile in gone.items() if profile not in alive}
    former_names = _once_held(connection, sorted(former))

    def restorable(records: list[str]) -> list[str]:
        counts: dict[str, int] = defaultdict(int)
        for record in records:
            for profile in former_names.get(record, ()):
                counts[profile] += 1
        return sorted(counts, key=lambda profile: (-counts[profile], profile))

    return stable_ids.assign(
        clusters,
        former,
        age=dict(ages),
        restorable=restorable,
        new_id=new_profile_id,
        gone=gone,
        late=_late(connection, sorted(former)),
    )


def _once_held(connection: duckdb.DuckDBPyConnection, records: list[str]) -> dict[str, list[str]]:
    """Per record the merged profiles that held it at the moment they were merged away."""
    if not records:
        return {}
    connection.register("arriving", pa.table({"record_key": pa.array(records, pa.string())}))
    rows = connection.execute(
        """
        select h.record_key, h.profile_id
        from identity.state_history as h
        semi join arriving using (record_key)
        join identity.profiles as p on p.profile_id = h.profile_id and p.status = 'merged'
        where h.to_seq = (select max(l.to_seq) from identity.state_history as l where l.profile_id = h.profile_id)
        """
    ).fetchall()
    connection.unregister("arriving")
    found: dict[str, list[str]] = defaultdict(list)
    for record, profile in rows:
        found[record].append(profile)
    return found


def _late(connection: duckdb.DuckDBPyConnection, records: list[str]) -> set[str]:
    """Records that came to their profile with the last merge into it or afterwards."""
    connection.register("arriving", pa.table({"record_key": pa.array(records, pa.string())}))
    rows = connection.execute(
        """
        with merges as (
            select p.merged_into as profile_id, max(h.to_seq) as seq
            from identity.profiles as p join identity.state_history as h using (profile_id)
            where p.status = 'merged' group by p.merged_into
        )
        select h.record_key from identity.state_history as h
        semi join arriving using (record_key)
        join merges as m using (profile_id)
        where h.to_seq is null and h.from_seq >= m.seq
        """
    ).fetchall()
    connection.unregister("arriving")
    return {record for (record,) in rows}


def _write(connection: duckdb.DuckDBPyConnection, run: Run, assignment: Assignment) -> None:
    connection.register(
        "arriving",
        pa.table(
            {
                "label": pa.array(list(assignment.profile), pa.string()),
                "profile_id": pa.array(list(assignment.profile.values()), pa.string()),
            }
        ),
    )
    connection.execute("insert into wf_named select label, profile_id, 'assigned' from arriving")
    connection.unregister("arriving")
    _write_events(connection, run, assignment.events)
    _write_profiles(connection, run, assignment)
    _write_history(connection)


def _write_events(connection: duckdb.DuckDBPyConnection, run: Run, events: list[Event]) -> None:
    sequence = next_number(connection, "identity.identity_events", "seq")
    append_events(connection, run, events)
    connection.execute(
        """
        insert into identity.identity_events
        select (select coalesce(max(seq), 0) from identity.identity_events) + row_number() over (order by label),
            ?, 'created', profile_id, '[]', 'first seen', ?
        from wf_named where kind = 'new'
        """,
        [run.run_id, run.at],
    )
    connection.execute("create or replace temp table wf_sequence as select ?::bigint as seq", [sequence])


def append_events(connection: duckdb.DuckDBPyConnection, run: Run, events: list[Event]) -> None:
    """Append events to the log in their order."""
    sequence = next_number(connection, "identity.identity_events", "seq")
    connection.register(
        "arriving",
        pa.table(
            {
                "seq": pa.array(range(sequence, sequence + len(events)), pa.int64()),
                "kind": pa.array([event.kind for event in events], pa.string()),
                "profile_id": pa.array([event.profile_id for event in events], pa.string()),
                "others": pa.array([json.dumps(list(event.others)) for event in events], pa.string()),
                "reason": pa.array([event.reason for event in events], pa.string()),
            }
        ),
    )
    connection.execute(
        "insert into identity.identity_events select seq, ?, kind, profile_id, others, reason, ? from arriving",
        [run.run_id, run.at],
    )
    connection.unregister("arriving")


def _write_profiles(connection: duckdb.DuckDBPyConnection, run: Run, assignment: Assignment) -> None:
    """New profiles, and the status of those that were merged, retired or restored."""
    connection.execute(
        """
        insert into identity.profiles
        select profile_id, (select coalesce(max(created_seq), 0)
            from identity.profiles) + row_number() over (order by label),
            'living', null, ?
        from wf_named where kind = 'new'
            or (kind = 'assigned' and profile_id not in (select profile_id from identity.profiles))
        """,
        [run.run_id],
    )
    restored = [event.profile_id for event in assignment.events if event.kind == "restored"]
    for profiles, status in ((restored, "living"), (assignment.retired, "retired")):
        set_status(connection, dict.fromkeys(profiles), status)
    set_status(connection, dict(assignment.merged), "merged")


def set_status(connection: duckdb.DuckDBPyConnection, profiles: dict[str, str] | dict[str, None], status: str) -> None:
    """Set the status of profiles; the values are what they were merged into."""
    if not profiles:
        return
    connection.register(
        "arriving",
        pa.table(
            {
                "profile_id": pa.array(list(profiles), pa.string()),
                "merged_into": pa.array(list(profiles.values()), pa.string()),
            }
        ),
    )
    connection.execute(
        "update identity.profiles set status = ?, merged_into = a.merged_into from arriving as a "
        "where profiles.profile_id = a.profile_id",
        [status],
    )
    connection.unregister("arriving")


def _write_history(connection: duckdb.DuckDBPyConnection) -> None:
    """Close and open memberships, and bring `identity.identity_map` to the new state."""
    connection.execute(
        """
        create or replace temp table wf_placed as
        select m.record_key, m.former, n.profile_id, m.label from wf_members as m left join wf_named as n using (label)
        """
    )
    connection.execute(
        """
        update identity.state_history set to_seq = (select seq from wf_sequence)
        where to_seq is null
          and record_key in (select record_key from wf_placed where former is distinct from profile_id)
        """
    )
    connection.execute(
        """
        insert into identity.state_history
        select record_key, profile_id, (select seq from wf_sequence), null from wf_placed
        where profile_id is not null and former is distinct from profile_id
        """
    )
    connection.execute(
        """
        create or replace temp table wf_profiles as
        select distinct profile_id from (
            select profile_id from wf_placed where profile_id is not null
            union all select former from wf_placed where former is not null
        )
        """
    )
    connection.execute(
        """
        delete from identity.identity_map where source || ':' || source_record_id in (
            select record_key from wf_placed union all select record_key from wf_gone)
        """
    )
    connection.execute(
        """
        insert into identity.identity_map
        select f.source, f.source_record_id, p.profile_id, round(c.confidence, 9), c.provisional
        from wf_placed as p
        join wf_clusters as c using (record_key)
        join identity.state_features as f using (record_key)
        """
    )
