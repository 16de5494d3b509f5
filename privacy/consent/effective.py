"""Who may be used for what: the entries of the ledger and the statements of the sources, taken together.

An entry counts for the living profile that its id goes on as; a refusal counts also for whoever holds a source record
that the profile held when it was said, so a split sets nobody free. The answer is a relation with one row for each
profile and purpose about which the ledger says something (`profile_id`, `purpose`, `state`), and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa

from cdp.errors import ResourceError
from privacy.consent import rules
from privacy.consent.ledger import Ledger
from privacy.consent.rules import Rule

_INPUTS = ("consent_entries", "consent_places", "consent_rules")

# Which entry counts for which profiles.
_COUNTS_FOR = """
with recursive chain (seq, profile_id) as (
    select seq, profile_id from consent_entries
    union
    select c.seq, m.merged_into
    from chain as c
    join identity.profiles as m on m.profile_id = c.profile_id
    where m.merged_into is not null
),
places as (
    select c.seq, c.profile_id from chain as c
    union
    select r.seq, m.profile_id
    from consent_places as r
    join identity.identity_map as m on m.source = r.source and m.source_record_id = r.source_record_id
)
"""
# `place` orders all entries: by the moment they were said, then as they were written.
_STATES = (
    _COUNTS_FOR
    + """
, told as (
    select p.profile_id, e.seq, e.purpose, e.state, e.origin, e.at, row_number() over (order by e.at, e.seq) as place
    from places as p
    join consent_entries as e on e.seq = p.seq
    semi join marts.profiles as living on living.profile_id = p.profile_id
    {about}
),
ledger as (
    select
        t.profile_id,
        t.purpose,
        arg_max(t.state, t.place) as state,
        arg_max(t.seq, t.place) as entry,
        max(t.at) as last_at,
        max(t.place) filter (where list_contains(r.lifted_by_person, t.state)) as barrier,
        arg_max(t.seq, t.place) filter (where list_contains(r.lifted_by_person, t.state)) as barrier_entry,
        max(t.at) filter (where list_contains(r.lifted_by_person, t.state)) as barrier_at,
        max(t.place) filter (where t.state = 'given' and t.origin = 'person') as given,
        max(t.at) filter (where t.state = 'given' and t.origin = 'person') as given_at
    from told as t
    left join consent_rules as r on r.purpose = t.purpose
    group by t.profile_id, t.purpose
),
restricted as (
    select profile_id, entry, last_at from ledger where purpose = '*' and state = 'restricted'
),
pairs as (
    select profile_id, purpose from ledger where purpose <> '*'
    union
    select x.profile_id, r.purpose from restricted as x cross join consent_rules as r
    {asked}
),
sources as (
    select
        profile_id,
        first(consents order by stated_at desc nulls last, consents) filter (where not is_objection) as consents,
        first(source order by stated_at desc nulls last, consents) filter (where not is_objection) as source,
        first(stated_at order by stated_at desc nulls last, consents) filter (where not is_objection) as stated_at,
        bool_or(is_objection) as objected,
        max(stated_at) filter (where is_objection) as objected_at,
        max(source) filter (where is_objection) as objected_in
    from marts.consent_statements
    where profile_id in (select profile_id from pairs) {until}
    group by profile_id
),
judged as (
    select
        p.profile_id,
        p.purpose,
        r.conflict,
        l.entry,
        l.last_at,
        l.barrier_entry,
        l.barrier_at,
        x.entry as restriction,
        x.last_at as restricted_at,
        s.source,
        s.stated_at,
        s.objected_at,
        s.objected_in,
        s.consents,
        l.state = 'given' as agrees,
        case
            when x.entry is not null then 'restriction'
            when l.barrier is not null and coalesce(l.given, 0) < l.barrier then 'objection'
            when r.sources and s.objected
                and not coalesce(l.given_at > coalesce(s.objected_at, timestamp '0001-01-01'), false)
                then 'objection in a source'
            when l.state is null and (not r.sources or s.consents is null) then 'nothing'
            when not r.sources or s.consents is null then 'ledger'
            when l.state is null then 'sources'
            when r.conflict = 'most_restrictive' and (l.state = 'given') <> s.consents
                then case when s.consents then 'ledger' else 'sources' end
            when s.stated_at > l.last_at or (s.stated_at = l.last_at and not s.consents) then 'sources'
            else 'ledger'
        end as decided_by
    from pairs as p
    join consent_rules as r on r.purpose = p.purpose
    left join ledger as l on l.profile_id = p.profile_id and l.purpose = p.purpose
    left join restricted as x on x.profile_id = p.profile_id
    left join sources as s on s.profile_id = p.profile_id
)
select
    profile_id,
    purpose,
    case
        when decided_by = 'nothing' then 'unknown'
        when decided_by = 'ledger' then case when agrees then 'given' else 'refused' end
        when decided_by = 'sources' then case when consents then 'given' else 'refused' end
        else 'refused'
    end as state,
    decided_by,
    case decided_by
        when 'restriction' then restriction when 'objection' then barrier_entry when 'ledger' then entry
    end as entry,
    case decided_by
        when 'restriction' then restricted_at
        when 'objection' then barrier_at
        when 'objection in a source' then objected_at
        when 'ledger' then last_at
        when 'sources' then stated_at
    end as said_at,
    case decided_by when 'sources' then source when 'objection in a source' then objected_in end as source
from judged
order by profile_id, purpose
"""
)


def states(
    connection: duckdb.DuckDBPyConnection,
    ledger: Ledger,
    *,
    about: str | None = None,
    until: datetime | None = None,
    purposes: Sequence[Rule] | None = None,
) -> pa.Table:
    """The effective state of everybody about whom the ledger says something, on the snapshot behind `connection`.

    With `about`, the state of that profile for every purpose, also where only the sources or nobody says something.
    With `until`, as of that moment: what was said later is left out, of the sources as far as they know. Columns are
    profile_id, purpose, state (`given`, `refused`, `unknown`), decided_by, entry, said_at, source.
    """
    known = ledger if until is None else ledger.until(until)
    parts = {"about": "", "asked": "", "until": ""}
    bound: dict[str, Any] = {}
    if about is not None:
        parts["about"] = "where p.profile_id = $about"
        parts["asked"] = "union select $about, purpose from consent_rules"
        bound["about"] = about
    if until is not None:
        parts["until"] = "and (stated_at is null or stated_at <= $until)"
        bound["until"] = until.astimezone(UTC).replace(tzinfo=None)
    tables = (known.entries, known.places, _rules(purposes or rules.shipped()))
    for name, table in zip(_INPUTS, tables, strict=True):
        connection.register(name, table)
    try:
        return connection.execute(_STATES.format(**parts), bound).to_arrow_table()
    except duckdb.CatalogException:
        raise ResourceError("What is published does not hold the sources' consents yet: run `cdp run` once.") from None
    finally:
        for name in _INPUTS:
            connection.unregister(name)


def records_of(connection: duckdb.DuckDBPyConnection, profile_id: str) -> tuple[tuple[str, str], ...]:
    """The source records of a profile, (source, source_record_id), but mail addresses, which name a person."""
    sql = (
        "select source, source_record_id from identity.identity_map "
        "where profile_id = ? and source <> 'marketing' order by all"
    )
    return tuple((row[0], row[1]) for row in connection.execute(sql, [profile_id]).fetchall())


def entries_about(connection: duckdb.DuckDBPyConnection, ledger: Ledger, profile_id: str) -> set[int]:
    """Which entries count for a profile."""
    connection.register("consent_entries", ledger.entries)
    connection.register("consent_places", ledger.places)
    try:
        sql = f"{_COUNTS_FOR} select seq from places where profile_id = ?"
        rows = connection.execute(sql, [profile_id]).fetchall()
    finally:
        connection.unregister("consent_entries")
        connection.unregister("consent_places")
    return {row[0] for row in rows}


def _rules(purposes: Sequence[Rule]) -> pa.Table:
    return pa.table(
        {
            "purpose": [one.purpose for one in purposes],
            "conflict": [one.conflict for one in purposes],
            "lifted_by_person": [list(one.lifted_by_person) for one in purposes],
            "sources": [one.sources for one in purposes],
        }
    )
