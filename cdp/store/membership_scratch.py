"""The statements that turn evaluated memberships into stays, history and changes, over scratch tables.

Two differences are taken. Members: who satisfies a definition, with the flag whether its purpose may reach them; it
makes stays (`memberships`) and history. Audience: those with the flag; it makes the change feed. A departed id has an
heir where the person goes on under another id: the profile it was merged into, or the one restored out of it; then
the membership is carried, without exit and entry. The text runs on both databases alike.
"""

from __future__ import annotations

SCRATCH: dict[str, str] = {
    "evaluated_segments": "key {key} primary key",
    "staged_memberships": "segment_key {key} not null, profile_id {key} not null, exportable boolean not null",
    "held": "profile_id {key} not null, purpose {key} not null, primary key (profile_id, purpose)",
    "seen_memberships": "id {serial} primary key",
    "flipping": "id {serial} primary key, exportable boolean not null",
    "joining": (
        "segment_key {key} not null, profile_id {key} not null, exportable boolean not null, "
        "primary key (segment_key, profile_id)"
    ),
    "successors": "profile_id {key} primary key, successor {key} not null",
    "restored": "profile_id {key} not null, former {key} not null, primary key (profile_id, former)",
    "leaving": (
        "id {serial} primary key, segment_key {key} not null, profile_id {key} not null, since {moment} not null, "
        "valid_from {moment} not null, exportable boolean not null, successor {key}"
    ),
    "departing": "segment_key {key} not null, profile_id {key} not null, heir {key}, reason {key} not null",
    "arriving": (
        "segment_key {key} not null, profile_id {key} not null, reason {key} not null, "
        "primary key (segment_key, profile_id)"
    ),
}

INDEXES = (
    "create index leaving_successor on leaving (segment_key, successor)",
    "create index departing_heir on departing (segment_key, heir)",
)

ALL_SEGMENTS = "insert into evaluated_segments (key) select key from segments"

# Holds reach along merges, because an objection outlives the id that it was made under. Those of the consent ledger
# that the evaluation knows are part of its answer.
HELD = """
insert into held (profile_id, purpose)
with recursive chain (profile_id, purpose) as (
    select profile_id, purpose from membership_holds where entry is null or entry > {seen}
    union
    select p.merged_into, c.purpose
    from chain as c
    join profiles as p on p.profile_id = c.profile_id
    where p.status = 'merged'
)
select profile_id, purpose from chain
"""

_IS_HELD = """
exportable and exists (
    select 1 from held as h
    join segments as s on h.purpose in (s.purpose, '*')
    where h.profile_id = staged_memberships.profile_id and s.key = staged_memberships.segment_key
)
"""
COUNT_HELD = f"select segment_key, count(*) from staged_memberships where {_IS_HELD} group by segment_key"
HOLD_BACK = f"update staged_memberships set exportable = false where {_IS_HELD}"

# What a published evaluation knows is told by its flags from now on.
SETTLE_HOLDS = "delete from membership_holds where entry <= {seen}"

# A profile that a newer snapshot would no longer hold is not brought back by an evaluation of an older one.
ONLY_LIVING = """
delete from staged_memberships
where not exists (
    select 1 from profiles as p where p.profile_id = staged_memberships.profile_id and p.status = 'living'
)
"""

SEE = """
insert into seen_memberships (id)
select distinct m.id
from staged_memberships as s
join memberships as m on m.segment_key = s.segment_key and m.profile_id = s.profile_id
where true
on conflict do nothing
"""

FLIP = """
insert into flipping (id, exportable)
select m.id, s.exportable
from staged_memberships as s
join memberships as m on m.segment_key = s.segment_key and m.profile_id = s.profile_id
where m.exportable <> s.exportable
on conflict do nothing
"""

JOIN = """
insert into joining (segment_key, profile_id, exportable)
select s.segment_key, s.profile_id, s.exportable
from staged_memberships as s
left join memberships as m on m.segment_key = s.segment_key and m.profile_id = s.profile_id
where m.id is null
on conflict do nothing
"""

# Ids that come back to life, and whom they had gone on as before this publication.
RESTORE = """
insert into restored (profile_id, former)
select s.profile_id, p.merged_into
from staged_profiles as s
join profiles as p on p.profile_id = s.profile_id
where p.status = 'merged'
on conflict do nothing
"""

RESTORE_CHAINS = """
insert into restored (profile_id, former)
with recursive chain (profile_id, former) as (
    select profile_id, former from restored
    union
    select c.profile_id, coalesce(r.former, p.merged_into)
    from chain as c
    left join restored as r on r.profile_id = c.former
    left join profiles as p on p.profile_id = c.former and p.status = 'merged'
    where coalesce(r.former, p.merged_into) is not null
)
select profile_id, former from chain
where true
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

LEAVE = """
insert into leaving (id, segment_key, profile_id, since, valid_from, exportable, successor)
select m.id, m.segment_key, m.profile_id, m.since, m.valid_from, m.exportable, s.successor
from memberships as m
join evaluated_segments as e on e.key = m.segment_key
left join successors as s on s.profile_id = m.profile_id
where not exists (select 1 from seen_memberships as k where k.id = m.id)
"""

RETURN_TO_RESTORED = """
update leaving
set successor = (
    select min(j.profile_id)
    from restored as r
    join joining as j on j.profile_id = r.profile_id
    where r.former = leaving.profile_id and j.segment_key = leaving.segment_key
)
where successor is null and exists (select 1 from restored as r where r.former = leaving.profile_id)
"""

DEPART = """
insert into departing (segment_key, profile_id, heir, reason)
select segment_key, profile_id, successor, :reason
from leaving
where exportable
union all
select m.segment_key, m.profile_id, null, 'consent'
from flipping as f
join memberships as m on m.id = f.id
where m.exportable
"""

ARRIVE = """
insert into arriving (segment_key, profile_id, reason)
select segment_key, profile_id, :reason
from joining
where exportable
union all
select m.segment_key, m.profile_id, 'consent'
from flipping as f
join memberships as m on m.id = f.id
where not m.exportable
"""

INHERIT_BY_RESTORED = """
update departing
set heir = (
    select min(a.profile_id)
    from restored as r
    join arriving as a on a.profile_id = r.profile_id
    where r.former = departing.profile_id and a.segment_key = departing.segment_key
)
where heir is null and exists (select 1 from restored as r where r.former = departing.profile_id)
"""

# An heir outside the audience inherits nothing; one that is in but may not be reached ends it for want of consent.
DISINHERIT = """
update departing
set heir = null,
    reason = case when exists (
            select 1 from joining as j
            where j.segment_key = departing.segment_key and j.profile_id = departing.heir
        ) or exists (
            select 1 from memberships as m
            join seen_memberships as k on k.id = m.id
            where m.segment_key = departing.segment_key and m.profile_id = departing.heir
        ) then 'consent' else departing.reason end
where heir is not null
    and not exists (
        select 1 from arriving as a
        where a.segment_key = departing.segment_key and a.profile_id = departing.heir
    )
    and not exists (
        select 1 from memberships as m
        join seen_memberships as k on k.id = m.id
        where m.segment_key = departing.segment_key and m.profile_id = departing.heir and m.exportable
            and not exists (select 1 from flipping as f where f.id = m.id)
    )
"""

RECORD_EXITS = """
insert into membership_changes (segment_key, profile_id, change, run_id, at, reason)
select segment_key, profile_id, 'exited', :run_id, :at, reason
from departing
where heir is null
order by segment_key, profile_id
"""

RECORD_CARRIED = """
insert into membership_changes (segment_key, profile_id, change, run_id, at, reason, former_id)
select segment_key, heir, 'carried', :run_id, :at, 'identity', profile_id
from departing
where heir is not null
order by segment_key, heir, profile_id
"""

RECORD_ENTRIES = """
insert into membership_changes (segment_key, profile_id, change, run_id, at, reason)
select a.segment_key, a.profile_id, 'entered', :run_id, :at, a.reason
from arriving as a
where not exists (
    select 1 from departing as d where d.segment_key = a.segment_key and d.heir = a.profile_id
)
order by a.segment_key, a.profile_id
"""

CLOSE_STAYS = """
insert into membership_history (segment_key, profile_id, since, valid_from, valid_to, exportable)
select segment_key, profile_id, since, valid_from, :at, exportable
from leaving
where valid_from < :at
union all
select m.segment_key, m.profile_id, m.since, m.valid_from, :at, m.exportable
from flipping as f
join memberships as m on m.id = f.id
where m.valid_from < :at
"""

REMOVE = "delete from memberships where id in (select id from leaving)"

WRITE_FLAGS = """
update memberships
set exportable = (select f.exportable from flipping as f where f.id = memberships.id), valid_from = :at
where id in (select id from flipping)
"""

# A merged profile's time in the segment counts for the profile it lives on as.
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

WRITE_STAYS = """
insert into memberships (segment_key, profile_id, since, valid_from, exportable)
select j.segment_key, j.profile_id, coalesce(min(l.since), :at), :at, j.exportable
from joining as j
left join leaving as l on l.segment_key = j.segment_key and l.successor = j.profile_id
group by j.segment_key, j.profile_id, j.exportable
order by j.segment_key, j.profile_id
"""
