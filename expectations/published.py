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


def _keyed(table: str, key: str, *, of_people: bool = True, **measures: str) -> str:
    """Measures that any table has: repeated and missing keys, profiles nobody knows; and its own, SQL by name."""
    if of_people:
        known = "select profile_id from marts.profiles"
        measures["without_profile"] = f"count(*) filter (profile_id is not null and profile_id not in ({known}))"
    missing = " or ".join(f"{column} is null" for column in key.split(", "))
    own = "".join(f", {sql} as {name}" for name, sql in measures.items())
    return f"""
        select count(*) - count(distinct hash({key})) as repeated_keys, count(*) filter ({missing}) as missing_keys{own}
        from {table}
    """


_UNKNOWN_STAGE = "count(*) filter ({column} is null or {column} not in (select stage from marts.journey_stages))"

_PREDICTIONS = """
select
    count(*) - count(distinct hash(profile_id)) as repeated_keys,
    (select count(*) from marts.profiles) - count(*) as profiles_left_out,
    count(*) filter (profile_id is null or profile_id not in (select profile_id from marts.profiles))
        as without_profile,
    count(*) filter (
        least(stay_probability, forward_probability, back_probability, restart_probability, lapse_risk,
            next_stage_probability, alive_probability) < 0
        or greatest(stay_probability, forward_probability, back_probability, restart_probability, lapse_risk,
            next_stage_probability, alive_probability) > 1
    ) as impossible_probabilities,
    count(*) filter (
        abs(stay_probability + coalesce(forward_probability, 0) + coalesce(back_probability, 0)
            + coalesce(restart_probability, 0) + coalesce(lapse_risk, 0) - 1) > 0.001
    ) as probabilities_that_do_not_add_up,
    count(*) filter ((stay_probability is null) <> (reason is not null)) as silent_nulls,
    count(*) filter (
        stage not in (select stage from marts.journey_stages)
        or next_stage not in (select stage from marts.journey_stages)
    ) as unknown_stages,
    count(*) filter (expected_purchases < 0 or lifetime_value < 0) as negative_values
from marts.predictions
"""

_TICKET_FEELINGS = """
select
    count(*) - count(distinct ticket_id) as repeated_keys,
    (select count(*) from marts.tickets where satisfaction is null and profile_id is not null) - count(*)
        as tickets_left_out,
    count(*) filter (profile_id is null or profile_id not in (select profile_id from marts.profiles))
        as without_profile,
    count(*) filter (not score between -1 and 1) as impossible_scores,
    count(*) filter ((score is null) <> (method is null)) as scores_without_method
from marts.ticket_feelings
"""

MEASURES: dict[str, str] = {
    "marts.profiles": _PROFILES,
    "marts.touchpoints": _TOUCHPOINTS,
    "marts.stage_episodes": _STAGE_EPISODES,
    "marts.stage_transitions": _keyed(
        "marts.stage_transitions",
        "transition_id",
        left_out="(select count(*) filter (episode_number > 1) from marts.stage_episodes) - count(*)",
        unknown_moves="count(*) filter (move is null or move not in ('forward', 'back', 'restart', 'lapse'))",
        impossible_stays="count(*) filter (days_in_from is null or days_in_from < 0)",
    ),
    "marts.source_records": _keyed(
        "marts.source_records",
        "source, source_record_id",
        left_out="(select count(*) from identity.identity_map) - count(*)",
    ),
    "marts.identifiers": _keyed(
        "marts.identifiers",
        "profile_id, type, value, source",
        all_lost="(select cast(count(*) > 0 as integer) from identity.identifiers) * cast(count(*) = 0 as integer)",
    ),
    "marts.trait_origins": _keyed(
        "marts.trait_origins",
        "profile_id, trait",
        left_out="(select count(*) from identity.golden_origins) - count(*)",
        without_source="count(*) filter (source is null or source_record_id is null)",
    ),
    "marts.corrections": _keyed(
        "marts.corrections",
        "source, source_record_id, field",
        left_out="(select count(*) from ops.corrections) - count(*)",
    ),
    "marts.consent_statements": _keyed(
        "marts.consent_statements",
        "source, source_record_id",
        left_out=(
            "(select count(*) from intermediate.int_consent_statements"
            " semi join identity.identity_map using (source, source_record_id)) - count(*)"
        ),
        unsaid="count(*) filter (consents is null or is_objection is null)",
    ),
    "marts.purchases": _keyed(
        "marts.purchases", "purchase_id", impossible_amounts="count(*) filter (not isfinite(amount))"
    ),
    "marts.tickets": _keyed(
        "marts.tickets", "ticket_id", impossible_times="count(*) filter (created_at is null or solved_at < created_at)"
    ),
    "marts.experiments": _keyed("marts.experiments", "experiment, profile_id"),
    "marts.map_cells": _keyed(
        "marts.map_cells",
        "stage, measure, key",
        of_people=False,
        unknown_stages=_UNKNOWN_STAGE.format(column="stage"),
        missing_numbers="count(*) filter (value is null or n is null)",
    ),
    "marts.event_accounts": _keyed(
        "marts.event_accounts",
        "source, source_entity",
        of_people=False,
        unaccounted="coalesce(sum(abs(events - not_touchpoints - without_profile - after_now - touchpoints)), 0)",
    ),
    "marts.touchpoint_types": _keyed("marts.touchpoint_types", "touchpoint_type", of_people=False),
    "marts.journey_stages": _keyed(
        "marts.journey_stages",
        "stage",
        of_people=False,
        repeated_positions="count(*) - count(distinct position)",
    ),
    "identity.identity_map": _IDENTITY_MAP,
}
# What is derived from the tables above when they have passed.
DERIVED: dict[str, str] = {"marts.predictions": _PREDICTIONS, "marts.ticket_feelings": _TICKET_FEELINGS}


def measure(connection: duckdb.DuckDBPyConnection, name: str) -> pd.DataFrame | None:
    """One row of measures of a published table; None when it, a column or a related table is not there."""
    import duckdb

    try:
        return connection.execute((MEASURES | DERIVED)[name]).df()
    except (duckdb.CatalogException, duckdb.BinderException):
        return None
