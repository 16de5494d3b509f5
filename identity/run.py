"""The pipeline's identity step: intermediate tables in, tables of schema `identity` out, in one transaction.

A run killed anywhere leaves the former state. Unchanged input does no matching, no model and no table work at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import duckdb

from cdp.domain.decisions import Rulings
from cdp.ids import digest
from identity import model_drift, published, resolution, state
from identity.config import PIPELINE, MatchConfig
from identity.membership import Run
from identity.resolution import Outcome, Progress
from identity.rulings import NONE
from identity.survivorship import GOLDEN_VERSION
from identity.survivorship_rules import read_rules

RECORDS = "intermediate.int_source_records"
_GOLDEN_RULES = "survivorship"
_INPUTS = ("int_device_identifies", "int_devices", "int_marketing_addresses")


@dataclass(frozen=True)
class IdentityReport:
    """What the step did: records and living profiles there are, and what changed in this run.

    `rewritten` counts the golden records made anew; `model_moved` is the largest move of a weight, where a new model
    took the place of another.
    """

    records: int
    profiles: int
    arrived: int
    deleted: int
    pairs: int
    reclustered: int
    model_version: str
    refusals: int
    hubs: int
    changed: bool
    rewritten: int = 0
    model_moved: float | None = None
    events: dict[str, int] = field(default_factory=dict)


def resolve(
    connection: duckdb.DuckDBPyConnection,
    *,
    run_id: str,
    now: datetime,
    rulings: Rulings = NONE,
    progress: Progress | None = None,
    config: MatchConfig = PIPELINE,
    renew_model: bool = False,
    rebuild: bool = False,
    survivorship: Path | None = None,
) -> IdentityReport:
    """Bring the identity tables up to date with the intermediate ones and with what people decided.

    `now` is the data's now, `rulings` are all that hold. `renew_model` and `rebuild` are those of
    `resolution.resolve_records`; `survivorship` is a file of rules that replaces the shipped one.
    """
    run = Run(run_id, now)
    connection.execute("begin transaction")
    try:
        state.prepare(connection, config)
        connection.execute("create or replace temp table wf_profiles (profile_id VARCHAR)")
        outcome = resolution.resolve_records(
            connection,
            RECORDS,
            config,
            run,
            rulings=rulings,
            progress=progress,
            renew_model=renew_model,
            rebuild=rebuild,
        )
        events, rewritten = dict(outcome.events), 0
        inputs, remembered = _fingerprints(connection, survivorship), _remembered(connection)
        changed = outcome.changed or inputs != remembered
        if changed:
            if progress:
                progress("identity: devices, addresses, golden records")
            for kind, count in published.settle_attached(connection, config, run).items():
                events[kind] = events.get(kind, 0) + count
            everything = inputs[_GOLDEN_RULES] != remembered.get(_GOLDEN_RULES)
            rewritten = published.publish(connection, rules=survivorship, everything=everything)
            _remember(connection, inputs)
        report = replace(_report(connection, outcome, events, changed=changed), rewritten=rewritten)
        if renew_model and (drift := model_drift.latest(connection)) is not None:
            report = replace(report, model_moved=drift.largest_move)
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    return report


def _fingerprints(connection: duckdb.DuckDBPyConnection, rules: Path | None) -> dict[str, str]:
    """What the other inputs hold, independent of the order of their rows, and by what rules values survive."""
    found = {_GOLDEN_RULES: digest(str(GOLDEN_VERSION), read_rules(rules).model_dump_json())}
    moments = "(select source, source_record_id, coalesce(updated_at, created_at) from intermediate.int_source_records)"
    for name, table in {**{name: f"intermediate.{name}" for name in _INPUTS}, "times": moments}.items():
        rows = connection.execute(f"select count(*) || ':' || coalesce(sum(hash(t)::hugeint), 0) from {table} as t")
        found[name] = str(rows.fetchall()[0][0])
    return found


def _remembered(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    return dict(connection.execute("select name, fingerprint from identity.state_inputs").fetchall())


def _remember(connection: duckdb.DuckDBPyConnection, inputs: dict[str, str]) -> None:
    connection.execute("delete from identity.state_inputs")
    connection.executemany("insert into identity.state_inputs values (?, ?)", list(inputs.items()))


def _report(
    connection: duckdb.DuckDBPyConnection, outcome: Outcome, events: dict[str, int], *, changed: bool
) -> IdentityReport:
    profiles, refusals, hubs = connection.execute(
        """
        select
            (select count(*) from identity.profiles where status = 'living'),
            (select count(*) from identity.refusals),
            (select count(*) from identity.state_hubs)
        """
    ).fetchall()[0]
    return IdentityReport(
        records=outcome.records,
        profiles=int(profiles),
        arrived=outcome.arrived,
        deleted=outcome.deleted,
        pairs=outcome.pairs,
        reclustered=outcome.reclustered,
        model_version=outcome.model_version,
        refusals=int(refusals),
        hubs=int(hubs),
        changed=changed,
        events=events,
    )
