"""The pipeline's identity step: intermediate tables in, tables of schema `identity` out, in one transaction.

A run killed anywhere leaves the former state. Unchanged input does no matching, no model and no table work at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import duckdb

from identity import published, resolution, state
from identity.config import PIPELINE, MatchConfig
from identity.membership import Run
from identity.resolution import Outcome, Progress

RECORDS = "intermediate.int_source_records"
_INPUTS = ("int_device_identifies", "int_devices", "int_marketing_addresses")


@dataclass(frozen=True)
class IdentityReport:
    """What the step did: records and living profiles there are, and what changed in this run."""

    records: int
    profiles: int
    arrived: int
    deleted: int
    pairs: int
    model_version: str
    refusals: int
    hubs: int
    changed: bool
    events: dict[str, int] = field(default_factory=dict)


def resolve(
    connection: duckdb.DuckDBPyConnection,
    *,
    run_id: str,
    now: datetime,
    progress: Progress | None = None,
    config: MatchConfig = PIPELINE,
    renew_model: bool = False,
    rebuild: bool = False,
) -> IdentityReport:
    """Bring the identity tables up to date with the intermediate ones; `now` is the data's now.

    `renew_model` and `rebuild` are those of `resolution.resolve_records`.
    """
    run = Run(run_id, now)
    connection.execute("begin transaction")
    try:
        state.prepare(connection, config)
        outcome = resolution.resolve_records(
            connection, RECORDS, config, run, progress=progress, renew_model=renew_model, rebuild=rebuild
        )
        events = dict(outcome.events)
        inputs = _fingerprints(connection)
        changed = outcome.changed or inputs != _remembered(connection)
        if changed:
            if progress:
                progress("identity: devices, addresses, golden records")
            for kind, count in published.settle_attached(connection, config, run).items():
                events[kind] = events.get(kind, 0) + count
            published.publish(connection)
            _remember(connection, inputs)
        report = _report(connection, outcome, events, changed=changed)
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    return report


def _fingerprints(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """What the other inputs hold, independent of the order of their rows."""
    found = {}
    for name in _INPUTS:
        rows = connection.execute(
            f"select count(*) || ':' || coalesce(sum(hash(t)::hugeint), 0) from intermediate.{name} as t"
        )
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
        model_version=outcome.model_version,
        refusals=int(refusals),
        hubs=int(hubs),
        changed=changed,
        events=events,
    )
