"""The statements behind holds and erasure: who is named, with the ids merged into them, and what goes.

They run over the scratch tables of `membership_scratch` and two of their own: the profiles and purposes that the caller
names.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

import sqlalchemy as sa

from cdp.store.membership_writing import MembershipWriter
from cdp.store.running import Backend, Running, batches
from cdp.store.segmentation import Forgotten

NAMED: dict[str, str] = {
    "named_profiles": "profile_id {key} primary key",
    "named_purposes": "purpose {key} primary key",
}


@contextmanager
def named(
    connection: sa.Connection,
    backend: Backend,
    profile_ids: Iterable[str],
    purposes: Iterable[str] = (),
    **values: str | datetime,
) -> Iterator[Running]:
    """Statements that know these profiles and purposes, and `values` by name."""
    running = Running(connection, backend, **values)
    running.create(NAMED)
    for batch in batches(sorted(set(profile_ids))):
        running.stage("named_profiles", ("profile_id",), [(one,) for one in batch])
    running.stage("named_purposes", ("purpose",), [(one,) for one in sorted(set(purposes))])
    yield running
    running.drop(NAMED)


HOLD = """
insert into membership_holds (profile_id, purpose, since)
select n.profile_id, p.purpose, :at
from named_profiles as n, named_purposes as p
where true
on conflict (profile_id, purpose) do update
set entry = null
"""

RELEASE = """
delete from membership_holds
where profile_id in (select profile_id from named_profiles) and purpose in (select purpose from named_purposes)
"""

# A hold that somebody releases is not replaced by one that ends with the next evaluation.
HOLD_FOR_ENTRY = """
insert into membership_holds (profile_id, purpose, since, entry)
select n.profile_id, p.purpose, :at, {entry}
from named_profiles as n, named_purposes as p
where true
on conflict (profile_id, purpose) do update
set entry = excluded.entry
where membership_holds.entry is not null
"""

# What was said anew is answered by the next evaluation; run it after WITH_MERGED.
END_HOLDS = """
delete from membership_holds
where entry is not null and profile_id in (select profile_id from named_profiles)
    and purpose in (select purpose from named_purposes)
"""

_CONCERNED = """
with recursive chain (profile_id) as (
    select profile_id from named_profiles
    union
    select p.merged_into
    from chain as c
    join profiles as p on p.profile_id = c.profile_id
    where p.status = 'merged'
)
select m.id, m.segment_key
from chain as c
join memberships as m on m.profile_id = c.profile_id
join segments as s on s.key = m.segment_key
join named_purposes as u on u.purpose in (s.purpose, '*')
where m.exportable
"""
HELD_STAYS = _CONCERNED

COUNT_DOWN_HELD = f"""
update segments
set exportable = exportable - (select count(*) from ({_CONCERNED}) as c where c.segment_key = segments.key)
where key in (select segment_key from ({_CONCERNED}) as c)
"""

WITH_MERGED = """
insert into named_profiles (profile_id)
with recursive chain (profile_id) as (
    select profile_id from named_profiles
    union
    select p.profile_id
    from chain as c
    join profiles as p on p.merged_into = c.profile_id
)
select profile_id from chain
where true
on conflict do nothing
"""

# A membership that went on from or to somebody who is not erased, because a merge was undone, begins or ends there.
END_INHERITANCE = """
update membership_changes
set change = 'entered', former_id = null
where former_id in (select profile_id from named_profiles)
    and profile_id not in (select profile_id from named_profiles)
"""
END_BEQUEST = """
update membership_changes
set change = 'exited', profile_id = former_id, former_id = null
where former_id is not null and former_id not in (select profile_id from named_profiles)
    and profile_id in (select profile_id from named_profiles)
"""

# What was told of an erasure stays: it holds nothing but the id, and whoever reads the feed later needs it.
REMOVE_CHANGES = """
delete from membership_changes
where reason <> 'erased' and profile_id in (select profile_id from named_profiles)
"""

REMOVE_HISTORY = "delete from membership_history where profile_id in (select profile_id from named_profiles)"

REMOVE_HOLDS = "delete from membership_holds where profile_id in (select profile_id from named_profiles)"

# Who was given the person under which id, or may have been: what a receiver answered with an error it has read, what a
# worker has in hand may arrive any moment.
KNOWING: dict[str, str] = {"knowing": "destination_key {key}, profile_id {key}"}
_GIVEN = "(d.state = 'delivered' or d.attempts > 0 or r.lease is not null) and d.kind <> 'erased'"
WHO_KNOWS = f"""
insert into knowing (destination_key, profile_id)
select d.destination_key, n.profile_id
from named_profiles as n
join deliveries as d on d.profile_id = n.profile_id
join destinations as r on r.key = d.destination_key
where {_GIVEN}
union
select d.destination_key, n.profile_id
from named_profiles as n
join deliveries as d on d.former_id = n.profile_id
join destinations as r on r.key = d.destination_key
where {_GIVEN}
union
select m.destination_key, n.profile_id
from named_profiles as n
join destination_members as m on m.profile_id = n.profile_id
"""
# Those who never were need no exit either.
NOT_TO_BE_TOLD = """
delete from deliveries
where profile_id in (select profile_id from named_profiles) and state = 'pending' and kind = 'exited'
    and not exists (
        select 1 from knowing as k
        where k.destination_key = deliveries.destination_key and k.profile_id = deliveries.profile_id
    )
"""
# After the exits, so that it is told last.
TELL_OF_ERASURE = """
insert into deliveries
    (destination_key, message_id, profile_id, segment_key, kind, reason, at, state, attempts, request)
select k.destination_key,
    k.destination_key || ':' || :batch || '-erased-' || row_number() over (order by k.destination_key, k.profile_id),
    k.profile_id, '', 'erased', 'erased', :at, 'pending', 0, :request
from knowing as k
where not exists (
    select 1 from deliveries as d
    where d.destination_key = k.destination_key and d.profile_id = k.profile_id and d.kind = 'erased'
)
order by k.destination_key, k.profile_id
"""

# The same for messages about people who are not erased: they no longer speak of those who are.
END_INHERITED_MESSAGES = END_INHERITANCE.replace("membership_changes", "deliveries").replace("set change", "set kind")
END_BEQUEATHED_MESSAGES = END_BEQUEST.replace("membership_changes", "deliveries").replace("set change", "set kind")

# A receiver that was told of the entry is told of the exit; of the erased nothing else but the news of their erasure is
# left in outbox and log.
REMOVE_DELIVERIES = """
delete from deliveries
where profile_id in (select profile_id from named_profiles) and not (state = 'pending' and kind = 'exited')
    and kind <> 'erased'
"""
TELL_RECEIVERS = """
insert into deliveries (destination_key, message_id, profile_id, segment_key, kind, reason, at, state, attempts)
select m.destination_key,
    m.destination_key || ':' || :batch || '-' || row_number() over (order by m.segment_key, m.profile_id),
    m.profile_id, m.segment_key, 'exited', 'erased', :at, 'pending', 0
from destination_members as m
join named_profiles as n on n.profile_id = m.profile_id
where not exists (
    select 1 from deliveries as d
    where d.destination_key = m.destination_key and d.segment_key = m.segment_key and d.profile_id = m.profile_id
        and d.state = 'pending'
)
"""

_THEIRS = "select count(*) from memberships as m join named_profiles as n on n.profile_id = m.profile_id"
COUNT_DOWN = f"""
update segments
set size = size - ({_THEIRS} where m.segment_key = segments.key),
    exportable = exportable - ({_THEIRS} where m.segment_key = segments.key and m.exportable)
"""

LEAVE = """
insert into leaving (id, segment_key, profile_id, since, valid_from, exportable, successor)
select m.id, m.segment_key, m.profile_id, m.since, m.valid_from, m.exportable, null
from memberships as m
join named_profiles as n on n.profile_id = m.profile_id
"""


def forget(
    connection: sa.Connection,
    backend: Backend,
    profile_ids: Iterable[str],
    *,
    at: datetime,
    run_id: str,
    request: str | None = None,
) -> Forgotten:
    """What `Segmentation.forget` promises, inside the caller's transaction; the caller holds the lock `publish`.

    With the `request` of an erasure every receiver that was ever given one of the people is told of it, once for each
    id under which it knows them.
    """
    writer = MembershipWriter(connection, backend, at=at, run_id=run_id, reason="erased")
    batch = secrets.token_hex(6)
    with named(connection, backend, profile_ids, at=writer.at, batch=batch, request=request or "") as running:
        running.run(WITH_MERGED)
        running.create(KNOWING)
        if request is not None:
            running.run(WHO_KNOWS)
        for statement in (END_INHERITANCE, END_BEQUEST, END_INHERITED_MESSAGES, END_BEQUEATHED_MESSAGES):
            running.run(statement)
        changes = running.run(REMOVE_CHANGES)
        history = running.run(REMOVE_HISTORY)
        holds = running.run(REMOVE_HOLDS)
        deliveries = running.run(REMOVE_DELIVERIES)
        running.run(COUNT_DOWN)
        left = running.run(LEAVE)
        moved = writer.settle(keep_history=False)
        running.run(TELL_RECEIVERS)
        if request is not None:
            running.run(NOT_TO_BE_TOLD)
            running.run(TELL_OF_ERASURE)
        running.drop(KNOWING)
    return Forgotten(
        memberships=left, history=history, changes=changes, exits=moved.exited, holds=holds, deliveries=deliveries
    )
