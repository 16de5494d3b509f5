"""What is measured on the published tables, so that their contracts can be judged.

The tables grow to tens of millions of rows, so rows never leave the engine: SQL measures each table in one row of
numbers (volume, repeated keys, missing values, shares, broken relations), and the suites in `suites/` say what these
numbers must be. Keys are counted by a 64-bit hash, which keeps a large table's count in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

_PROFILES = """
select
    count(*) as row_count,
    count(*) - count(distinct hash(profile_id)) as repeated_keys,
    count(*) filter (profile_id is null) as missing_keys,
    (select count(*) from identity.golden) - count(*) as profiles_left_out,
    count(*) filter (current_stage is null or current_stage not in (select stage from marts.journey_stages))
        as unknown_stages,
    count(*) filter (first_seen_at is null or last_seen_at < first_seen_at) as impossible_sightings,
    count(*) filter (touchpoints < 0 or purchases < 0 or revenue < 0 or tickets < 0) as negative_counts,
    coalesce(avg(cast(coalesce(full_name, last_name, email, phone) is null as integer)) filter (not is_anonymous), 0)
        as share_of_people_without_name_mail_and_phone
from marts.profiles
"""

_TOUCHPOINTS = """
select
    (
        select cast(count(*) > 0 as integer) from intermediate.int_events, ops.run_context
        where occurred_at <= as_of and coalesce(person_record_id, anonymous_id, email) is not null
    ) * cast(count(*) = 0 as integer) as all_events_lost,
    count(*) - count(distinct hash(touchpoint_id)) as repeated_keys,
    count(*) filter (touchpoint_id is null or profile_id is null or occurred_at is null) as missing_keys,
    count(*) filter (touchpoint_type is null or channel is null) as unnamed,
    count(*) filter (stage is not null and stage not in (select stage from marts.journey_stages)) as unknown_stages,
    count(*) filter (lane is null or lane not in ('path', 'service')) as unknown_lanes,
    count(*) filter (occurred_at > (select max(as_of) from ops.run_context)) as from_the_future,
    count(*) filter (profile_id not in (select profile_id from marts.profiles)) as without_profile
from marts.touchpoints
"""

_STAGE_EPISODES = """
with episodes as (
    select *, lead(entered_at) over (partition by profile_id order by entered_at, episode_number) as next_entered_at
    from marts.stage_episodes
),
profiles as (
    select profiles.profile_id, count(*) filter (episodes.is_open) as open_episodes
    from marts.profiles left join episodes on episodes.profile_id = profiles.profile_id
    group by profiles.profile_id
)
select
    count(*) as row_count,
    count(*) - count(distinct hash(episode_id)) as repeated_keys,
    count(*) filter (episode_id is null or profile_id is null or entered_at is null) as missing_keys,
    count(*) filter (stage is null or stage not in (select stage from marts.journey_stages)) as unknown_stages,
    count(*) filter (move is null or move not in ('start', 'forward', 'back', 'restart', 'lapse')) as unknown_moves,
    count(*) filter (is_open <> (left_at is null) or left_at < entered_at) as impossible_ends,
    count(*) filter (next_entered_at is not null and left_at is distinct from next_entered_at) as gaps_or_overlaps,
    (select count(*) from profiles where open_episodes <> 1) as profiles_without_one_open_episode
from episodes
"""

_IDENTITY_MAP = """
select
    count(*) as row_count,
    count(*) - count(distinct hash(source, source_record_id)) as repeated_keys,
    count(*) filter (source is null or source_record_id is null or profile_id is null) as missing_keys,
    count(*) filter (source not in ('sales', 'support', 'web', 'pos', 'marketing')) as unknown_sources,
    count(*) filter (confidence is null or confidence < 0 or confidence > 1) as impossible_confidences,
    count(*) filter (profile_id not in (select profile_id from identity.golden)) as without_profile,
    (
        select count(*) from intermediate.int_source_records as records
        where not exists (
            select 1 from identity.identity_map as held
            where held.source = records.source and held.source_record_id = records.source_record_id
        )
    ) as records_left_out
from identity.identity_map
"""

MEASURES: dict[str, str] = {
    "marts.profiles": _PROFILES,
    "marts.touchpoints": _TOUCHPOINTS,
    "marts.stage_episodes": _STAGE_EPISODES,
    "identity.identity_map": _IDENTITY_MAP,
}


def measure(connection: duckdb.DuckDBPyConnection, name: str) -> pd.DataFrame | None:
    """One row of measures of a published table; None when it, a column or a related table is not there."""
    import duckdb

    try:
        return connection.execute(MEASURES[name]).df()
    except (duckdb.CatalogException, duckdb.BinderException):
        return None
