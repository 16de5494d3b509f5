"""The statements of a publication, over scratch tables that live inside its transaction.

`staged_*` hold one batch as it came in; `seen_*` remember what this publication contains, so that what is left over can
be removed. Memberships have statements of their own. The text runs on both databases alike.
"""

from __future__ import annotations

SCRATCH: dict[str, str] = {
    "staged_profiles": "profile_id {key} not null, document text not null, content_hash text not null",
    "seen_profiles": "profile_id {key} primary key",
    "staged_redirects": "profile_id {key} primary key, status {key} not null, merged_into {key}",
    "staged_identifiers": "type {key} not null, value_key {key} not null, profile_id {key} not null",
    "seen_identifiers": "id {serial} primary key",
    "seen_segments": "key {key} primary key",
}

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

# Former memberships name ids that stay known; of a removed profile nothing does.
REMOVE_HISTORY = """
delete from membership_history
where profile_id in (
    select p.profile_id from profiles as p
    where p.status = 'living'
        and not exists (select 1 from seen_profiles as s where s.profile_id = p.profile_id)
)
"""
