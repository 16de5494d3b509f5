"""Publishing: what was checked becomes what is served, at one moment.

Segments are evaluated on the new snapshot before it is pointed at, then one store transaction swaps profiles,
identifiers, segments and memberships and names the snapshot; whoever reads the store and the snapshot it names sees
one state. The pointer file follows for readers that know only files. See docs/decisions/0003.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import duckdb

from cdp.store.base import IdentifierRow, ProfileDocument, Publication, Redirect, Rights, Status, Store
from cdp.store.segmentation import OutdatedError
from pipelines.context import RunContext
from pipelines.fingerprint import fingerprint, with_inputs_of
from pipelines.preview import remember_project
from pipelines.publishing_segments import evaluated

if TYPE_CHECKING:
    from pipelines.publishing_segments import ServedSegments

BATCH_ROWS = 10_000
# Documents made in one go: what they are gathered from has to fit into memory, however many profiles there are.
RANGE_PROFILES = 20_000
ATTEMPTS = 5

# RFC 3339 in UTC, to the millisecond.
MOMENT = "%Y-%m-%dT%H:%M:%S.%gZ"

# Episodes that a document shows; all of them are at `/v1/profiles/{id}/journey`.
SHOWN_EPISODES = 20

_IN_RANGE = "profile_id between $first and $last"
# One JSON document per living profile of a range: what a profile request answers, with nothing to join.
DOCUMENTS = f"""
with history as (
    select
        profile_id,
        list(struct_pack(
            number := episode_number, stage := stage, entered_at := strftime(entered_at, '{MOMENT}'),
            left_at := strftime(left_at, '{MOMENT}'), move := move
        ) order by episode_number desc)[:{SHOWN_EPISODES}] as episodes
    from marts.stage_episodes
    where {_IN_RANGE}
    group by profile_id
)
select
    p.profile_id,
    to_json(struct_pack(
        profile_id := p.profile_id,
        is_anonymous := p.is_anonymous,
        traits := struct_pack(
            first_name := p.first_name, last_name := p.last_name, full_name := p.full_name, email := p.email,
            phone := p.phone, birth_date := p.birth_date, street := p.street, city := p.city, region := p.region,
            postcode := p.postcode, country := p.country, marketing_consent := p.marketing_consent,
            unsubscribed := p.unsubscribed, first_seen_at := strftime(p.first_seen_at, '{MOMENT}'),
            last_seen_at := strftime(p.last_seen_at, '{MOMENT}'),
            channels := p.channels, touchpoints := p.touchpoints, purchases := p.purchases, revenue := p.revenue,
            first_purchase_at := strftime(p.first_purchase_at, '{MOMENT}'),
            last_purchase_at := strftime(p.last_purchase_at, '{MOMENT}'), tickets := p.tickets,
            slow_tickets := p.slow_tickets, satisfaction_good := p.satisfaction_good,
            satisfaction_bad := p.satisfaction_bad, emails_clicked := p.emails_clicked
        ),
        stage := struct_pack(current := p.current_stage, since := strftime(p.stage_since, '{MOMENT}')),
        journey := struct_pack(
            episodes := p.episodes, regressions := p.regressions, restarts := p.restarts, stages := lived.stages,
            persona := struct_pack(key := p.persona, title := k.title),
            next := struct_pack(
                stage := d.next_stage, probability := d.next_stage_probability, in_days := d.next_stage_days,
                stays := d.stay_probability, within_days := r.horizon_days, reason := d.reason
            ),
            lapse := struct_pack(risk := d.lapse_risk, within_days := r.horizon_days, drivers := d.lapse_drivers),
            value := struct_pack(
                lifetime_value := d.lifetime_value, expected_purchases := d.expected_purchases,
                still_customer := d.alive_probability, within_days := r.value_days, reason := d.value_reason
            ),
            next_best_action := case when a.profile_id is not null then struct_pack(
                key := a.intervention, title := a.title, reason := a.reason, evidence := a.evidence,
                basis := a.basis, stage := a.stage
            ) end,
            history := h.episodes
        ),
        identity := struct_pack(records := p.records, sources := p.sources, confidence := p.confidence),
        origins := o.origins
    ))::varchar as document
from (from marts.profiles where {_IN_RANGE}) as p
left join (
    select profile_id, list(stage order by episode_number) as stages
    from marts.stage_episodes where {_IN_RANGE} group by profile_id
) as lived on lived.profile_id = p.profile_id
cross join marts.prediction_runs as r
left join history as h on p.profile_id = h.profile_id
left join (from marts.predictions where {_IN_RANGE}) as d on p.profile_id = d.profile_id
left join marts.personas as k on p.persona = k.persona
left join (from marts.next_actions where {_IN_RANGE}) as a on p.profile_id = a.profile_id
left join (
    select profile_id, map_from_entries(list(row(trait, struct_pack(
        source := source, source_record_id := source_record_id, observed_at := strftime(observed_at, '{MOMENT}'),
        rule := rule)) order by trait)) as origins
    from marts.trait_origins where {_IN_RANGE} group by profile_id
) as o on o.profile_id = p.profile_id
order by p.profile_id
"""

_RANGES = """
select min(profile_id), max(profile_id)
from (
    select profile_id, (row_number() over (order by profile_id) - 1) // $size as part from marts.profiles
)
group by part
order by part
"""


@dataclass(frozen=True)
class PublishedReport:
    """Row counts of a publication."""

    counts: dict[str, int]


def publish(run: RunContext) -> PublishedReport:
    """Evaluate the segments and swap what is served; a kill before the commit leaves the old publication."""
    from cdp.store import open_store, snapshots

    path = snapshots.snapshot_path(run.settings.serving, run.run_id)
    with snapshots.open_snapshot(path) as connection, open_store(run.settings.database_url) as store:
        counts = _counts(connection)
        publication = Publication(run.run_id, path.name, run.as_of, counts, _mark(run, store))
        for attempt in range(ATTEMPTS):
            with run.step("segments") as step:
                segments = evaluated(connection, store, run.as_of)
                step.rows = sum(row.size for row in segments.rows)
                step.detail = segments.told()
            try:
                with run.step("publish") as step:
                    _swap(store, publication, connection, segments)
                    step.rows, step.detail = counts["profiles"], "(profiles)"
                break
            except OutdatedError:
                # Somebody saved a segment between its evaluation and the publication.
                if attempt == ATTEMPTS - 1:
                    raise
        snapshots.point_to(run.settings.serving, path)
        snapshots.prune(run.settings.serving, keep=2)
        # What production ran: the next preview is compared with it.
        remember_project(run.settings)
    return PublishedReport(counts)


def _swap(
    store: Store, publication: Publication, connection: duckdb.DuckDBPyConnection, segments: ServedSegments
) -> None:
    store.publish(
        publication,
        profiles=documents(connection),
        identifiers=_identifiers(connection),
        redirects=_redirects(connection),
        segments=segments.rows,
        memberships=segments.memberships(),
        definitions=segments.definitions,
        consents=segments.consents,
        rights=Rights(_corrected(connection), segments.restricted),
    )


def _mark(run: RunContext, store: Store) -> str:
    """The fingerprint of this run; one that began at identity still rests on the inputs of the run before."""
    with run.engine.writer() as warehouse:
        mark = fingerprint(run.settings, warehouse, run.as_of, consents=store.consents.mark()[0])
    current = store.current_publication()
    return mark if run.has_done("staging") or current is None else with_inputs_of(current.fingerprint, mark)


def _batches(
    connection: duckdb.DuckDBPyConnection, sql: str, given: dict[str, str] | None = None
) -> Iterator[tuple[str, ...]]:
    result = connection.cursor().execute(sql, given)
    while rows := result.fetchmany(BATCH_ROWS):
        yield from rows


def documents(connection: duckdb.DuckDBPyConnection, *, at_a_time: int = RANGE_PROFILES) -> Iterator[ProfileDocument]:
    """The documents of all living profiles of a snapshot, in the order of their ids."""
    for first, last in connection.execute(_RANGES, {"size": at_a_time}).fetchall():
        for profile_id, document in _batches(connection, DOCUMENTS, {"first": first, "last": last}):
            yield ProfileDocument(profile_id, document)


def _identifiers(connection: duckdb.DuckDBPyConnection) -> Iterator[IdentifierRow]:
    sql = "select distinct type, value, profile_id from marts.identifiers order by type, value, profile_id"
    return (IdentifierRow(*row) for row in _batches(connection, sql))


def _redirects(connection: duckdb.DuckDBPyConnection) -> Iterator[Redirect]:
    sql = "select profile_id, status, merged_into from identity.profiles where status <> 'living' order by profile_id"
    # A type checker sees text; the store refuses a status it does not know.
    return (Redirect(old, cast(Status, status), heir) for old, status, heir in _batches(connection, sql))


def _corrected(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Ids of the corrections that the snapshot rests on."""
    return {row[0] for row in connection.execute("select distinct correction_id from marts.corrections").fetchall()}


def _counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    stages = connection.execute(
        """
        select s.stage, count(p.profile_id)
        from marts.journey_stages as s
        left join marts.profiles as p on p.current_stage = s.stage
        group by s.stage, s.position
        order by s.position
        """
    ).fetchall()
    totals = connection.execute(
        """
        select
            (select count(*) from marts.profiles),
            (select count(*) from marts.profiles where not is_anonymous),
            (select count(*) from marts.source_records where source <> 'marketing')
        """
    ).fetchall()[0]
    named = dict(zip(("profiles", "people", "source_records"), totals, strict=True))
    return {**named, **{f"stage.{stage}": count for stage, count in stages}}
