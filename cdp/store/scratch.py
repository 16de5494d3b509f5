"""The statements of a publication, over scratch tables that live inside its transaction.

`staged_*` hold one batch as it came in; `seen_*` remember what this publication contains, so that what is left over can
be removed; `leaving` and `joining` are the difference of the memberships. The text runs on both databases alike.
"""

from __future__ import annotations

SCRATCH: dict[str, str] = {
    "staged_profiles": "profile_id {key} not null, document text not null, content_hash text not null",
    "seen_profiles": "profile_id {key} primary key",
    "staged_redirects": "profile_id {key} primary key, status {key} not null, merged_into {key}",
    "staged_identifiers": "type {key} not null, value_key {key} not null, profile_id {key} not null",
    "seen_identifiers": "id {serial} primary key",
    "seen_segments": "key {key} primary key",
    "staged_memberships": "segment_key {key} not null, profile_id {key} not null",
    "seen_memberships": "id {serial} primary key",
    "joining": "segment_key {key} not null, profile_id {key} not null, primary key (segment_key, profile_id)",
    "successors": "profile_id {key} primary key, successor {key} not null",
    "leaving": "segment_key {key} not null, profile_id {key} not null, since {moment} not null, successor {key}",
}

INDEXES = ("create index leaving_successor on leaving (segment_key, successor)",)

SEE_PROFILES = "insert into seen_profiles (profile_id) select profile_id from staged_profiles"

# The join first: an upsert that changes nothing would still lock and so rewrite the row on PostgreSQL.
WRITE_PROFILES = """
insert into profiles (profile_id, status, merged_into, document, content_hash, version)
select s.profile_id, 'living', null, s.document, s.content_hash, 1
from staged_profiles as s
left join profiles as p on p.profile_id = s.profile_id
where p.profile_id is null or p.content_hash <> s.content_hash or p.status <> 'living'
on conflict (profile_id) do update set
    status = 'living', merged_into = null, document = excluded.document, content_hash = excluded.content_hash,
    version = profiles.version + 1
"""

CONTRADICTIONS = "select count(*) from staged_redirects as r join seen_profiles as s on s.profile_id = r.profile_id"

WRITE_REDIRECTS = """
insert into profiles (profile_id, status, merged_into, document, content_hash, version)
select r.profile_id, r.status, r.merged_into, null, '', 1
from staged_redirects as r
left join profiles as p on p.profile_id = r.profile_id
where p.profile_id is null or p.status <> r.status or coalesce(p.merged_into, '') <> coalesce(r.merged_into, '')
on conflict (profile_id) do update set
    status = excluded.status, merged_into = excluded.merged_into, document = null, content_hash = '',
    version = profiles.version + 1
"""

REMOVE_PROFILES = """
delete from profiles
where status = 'living'
    and not exists (select 1 from seen_profiles as s where s.profile_id = profiles.profile_id)
"""

ORPHANED_IDENTIFIERS = """
select count(*) from staged_identifiers as i
where not exists (select 1 from seen_profiles as s where s.profile_id = i.profile_id)
"""

WRITE_IDENTIFIERS = """
insert into identifiers (type, value_key, profile_id)
select distinct s.type, s.value_key, s.profile_id
from staged_identifiers as s
left join identifiers as i on i.type = s.type and i.value_key = s.value_key and i.profile_id = s.profile_id
where i.id is null
"""

SEE_IDENTIFIERS = """
insert into seen_identifiers (id)
select distinct i.id
from staged_identifiers as s
join identifiers as i on i.type = s.type and i.value_key = s.value_key and i.profile_id = s.profile_id
where true
on conflict do nothing
"""

REMOVE_IDENTIFIERS = """
delete from identifiers where not exists (select 1 from seen_identifiers as s where s.id = identifiers.id)
"""

REMOVE_SEGMENTS = "delete from segments where not exists (select 1 from seen_segments as s where s.key = segments.key)"

ORPHANED_MEMBERSHIPS = """
select count(*) from staged_memberships as m
where not exists (select 1 from seen_profiles as s where s.profile_id = m.profile_id)
    or not exists (select 1 from seen_segments as s where s.key = m.segment_key)
"""

SEE_MEMBERSHIPS = """
insert into seen_memberships (id)
select distinct m.id
from staged_memberships as s
join memberships as m on m.segment_key = s.segment_key and m.profile_id = s.profile_id
where true
on conflict do nothing
"""

JOINING = """
insert into joining (segment_key, profile_id)
select s.segment_key, s.profile_id
from staged_memberships as s
left join memberships as m on m.segment_key = s.segment_key and m.profile_id = s.profile_id
where m.id is null
on conflict do nothing
"""

# Where a member's profile lives on: merges may follow one another, and `union` ends a chain that runs in a circle.
SUCCESSORS = """
insert into successors (profile_id, successor)
with recursive chain (profile_id, target) as (
    select p.profile_id, p.merged_into
    from profiles as p
    where p.status = 'merged'
        and exists (select 1 from memberships as m where m.profile_id = p.profile_id)
    union
    select c.profile_id, p.merged_into
    from chain as c
    join profiles as p on p.profile_id = c.target
    where p.status = 'merged'
)
select c.profile_id, c.target
from chain as c
join profiles as p on p.profile_id = c.target
where p.status = 'living'
"""

LEAVING = """
insert into leaving (segment_key, profile_id, since, successor)
select m.segment_key, m.profile_id, m.since, s.successor
from memberships as m
left join successors as s on s.profile_id = m.profile_id
where not exists (select 1 from seen_memberships as k where k.id = m.id)
"""

RECORD_EXITS = """
insert into membership_changes (segment_key, profile_id, change, run_id, at)
select l.segment_key, l.profile_id, 'exited', :run_id, :as_of
from leaving as l
where not exists (
        select 1 from joining as j where j.segment_key = l.segment_key and j.profile_id = l.successor
    )
    and not exists (
        select 1 from memberships as m
        join seen_memberships as k on k.id = m.id
        where m.segment_key = l.segment_key and m.profile_id = l.successor
    )
order by l.segment_key, l.profile_id
"""

RECORD_ENTRIES = """
insert into membership_changes (segment_key, profile_id, change, run_id, at)
select j.segment_key, j.profile_id, 'entered', :run_id, :as_of
from joining as j
where not exists (
    select 1 from leaving as l where l.segment_key = j.segment_key and l.successor = j.profile_id
)
order by j.segment_key, j.profile_id
"""

REMOVE_MEMBERSHIPS = """
delete from memberships where not exists (select 1 from seen_memberships as k where k.id = memberships.id)
"""

# A merged profile's time in the segment counts for the profile it lives on as.
WRITE_MEMBERSHIPS = """
insert into memberships (segment_key, profile_id, since)
select j.segment_key, j.profile_id, coalesce(min(l.since), :as_of)
from joining as j
left join leaving as l on l.segment_key = j.segment_key and l.successor = j.profile_id
group by j.segment_key, j.profile_id
order by j.segment_key, j.profile_id
"""

CARRY_SINCE = """
update memberships
set since = (
    select min(l.since) from leaving as l
    where l.segment_key = memberships.segment_key and l.successor = memberships.profile_id
)
where exists (
    select 1 from leaving as l
    where l.segment_key = memberships.segment_key and l.successor = memberships.profile_id
        and l.since < memberships.since
)
"""
